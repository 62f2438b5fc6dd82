package postgres

import "github.com/waybillhq/waybill/internal/store"

// sheet holds the rows of one batch by the statement that writes them.
type sheet struct {
	messageKeep     *rows
	shardLock       *rows
	headWrite       *rows
	waybillInsert   *rows
	waybillUpdate   *rows
	eventInsert     *rows
	eventChange     *rows
	referenceInsert *rows
	pastWrite       *rows
	deliveryUpdate  *rows
	deliveryInsert  *rows
	bodyInsert      *rows
	attemptInsert   *rows
	timerSet        *rows
	timerClear      *rows
	watchInsert     *rows
	watchDelete     *rows
	exceptionWrite  *rows
	mappingDelete   *rows
	mappingInsert   *rows
	auditInsert     *rows
	settingWrite    *rows
	messageUpdate   *rows

	// What goes between replicas (HandOver).
	taskInsert   *rows
	taskDelete   *rows
	answerInsert *rows
	aliasInsert  *rows
	wake         *rows
}

func newSheet() *sheet {
	return &sheet{
		messageKeep:     bulk("messages", "iiiiitttttbbb", messageKeep, nil),
		shardLock:       bulk("locks of shards", "i", shardLock, nil),
		headWrite:       bulk("heads of shards", "iiiib", headWrite, store.ErrFenced),
		waybillInsert:   bulk("new waybills", "iiiiiittttb", waybillInsert, store.ErrFenced),
		waybillUpdate:   bulk("waybills", "iiiiittb", waybillUpdate, store.ErrFenced),
		eventInsert:     bulk("events", "iiiiiiiiitttttbbbb", eventInsert, nil),
		eventChange:     bulk("states of events", "itt", eventChange, store.ErrNotFound),
		referenceInsert: bulk("references", "tttii", referenceInsert, nil),
		pastWrite:       bulk("pasts", "itib", pastWrite, nil),
		deliveryUpdate:  bulk("deliveries", "iiiittb", deliveryUpdate, nil),
		deliveryInsert:  bulk("new deliveries", "iiiiitttttbb", deliveryInsert, nil),
		bodyInsert:      bulk("bodies of deliveries", "iitb", bodyInsert, nil),
		attemptInsert:   bulk("attempts", "iiiiiiitt", attemptInsert, nil),
		timerSet:        bulk("timers", "itii", timerSet, nil),
		timerClear:      bulk("ends of timers", "iti", timerClear, nil),
		watchInsert:     bulk("watches", "tii", watchInsert, nil),
		watchDelete:     bulk("ends of watches", "tii", watchDelete, nil),
		exceptionWrite:  bulk("exceptions", "iiiiitttttttttt", exceptionWrite, nil),
		mappingDelete:   bulk("ends of mappings", "i", mappingDelete, store.ErrNotFound),
		mappingInsert:   bulk("mappings", "itttttttttti", mappingInsert, nil),
		auditInsert:     bulk("audit entries", "iittttbbbb", auditInsert, nil),
		settingWrite:    bulk("settings", "tt", settingWrite, nil),
		messageUpdate:   bulk("updates of messages", "iiitt", messageUpdate, store.ErrNotFound),

		taskInsert:   bulk("tasks", "iitb", taskInsert, nil),
		taskDelete:   bulk("ends of tasks", "ii", taskDelete, store.ErrNotFound),
		answerInsert: bulk("answers", "it", answerInsert, nil),
		aliasInsert:  bulk("aliases of events", "iii", aliasInsert, nil),
		wake:         bulk("calls to replicas", "t", wakeSend, nil),
	}
}

// list is every statement, in the order in which a batch is written.
func (s *sheet) list() []*rows {
	return []*rows{
		s.messageKeep,
		s.shardLock, s.headWrite, s.waybillInsert, s.waybillUpdate, s.eventInsert, s.eventChange, s.referenceInsert,
		s.pastWrite, s.deliveryUpdate, s.deliveryInsert, s.bodyInsert, s.attemptInsert, s.timerSet, s.timerClear,
		s.watchInsert, s.watchDelete, s.exceptionWrite, s.mappingDelete, s.mappingInsert, s.auditInsert, s.settingWrite, s.messageUpdate,
		s.taskInsert, s.taskDelete, s.answerInsert, s.aliasInsert, s.wake,
	}
}

func (s *sheet) reset() {
	for _, r := range s.list() {
		r.reset()
	}
}
