package sqlite

import "database/sql"

// writeStatements are prepared once on the writer's connection.
type writeStatements struct {
	begin               *stmt
	commit              *stmt
	rollback            *stmt
	messageKeep         *stmt
	messageKeepBody     *stmt
	messageKnown        *stmt
	messageUpdateEvents *stmt
	messageUpdate       *stmt
	eventInsert         *stmt
	eventChange         *stmt
	headWrite           *stmt
	headsAcquire        *stmt
	headAcquire         *stmt
	headRelease         *stmt
	waybillInsert       *stmt
	waybillUpdate       *stmt
	referenceInsert     *stmt
	deliveryInsert      *stmt
	deliveryUpdate      *stmt
	deliveryNewest      *stmt
	bodyInsert          *stmt
	attemptInsert       *stmt
	timerSet            *stmt
	timerClear          *stmt
	watchInsert         *stmt
	watchDelete         *stmt
	exceptionWrite      *stmt
	auditInsert         *stmt
	mappingInsert       *stmt
	mappingDelete       *stmt
	settingWrite        *stmt
	pastWrite           *stmt
}

// list names the text of every statement.
func (s *writeStatements) list() map[**stmt]string {
	return map[**stmt]string{
		&s.begin:               `BEGIN IMMEDIATE`,
		&s.commit:              `COMMIT`,
		&s.rollback:            `ROLLBACK`,
		&s.messageKeep:         messageKeep,
		&s.messageKeepBody:     messageKeepBody,
		&s.messageKnown:        messageKnown,
		&s.messageUpdateEvents: messageUpdateEvents,
		&s.messageUpdate:       messageUpdate,
		&s.eventInsert:         eventInsert,
		&s.eventChange:         eventChange,
		&s.headWrite:           headWrite,
		&s.headsAcquire:        headsAcquire,
		&s.headAcquire:         headAcquire,
		&s.headRelease:         headRelease,
		&s.waybillInsert:       waybillInsert,
		&s.waybillUpdate:       waybillUpdate,
		&s.referenceInsert:     referenceInsert,
		&s.deliveryInsert:      deliveryInsert,
		&s.deliveryUpdate:      deliveryUpdate,
		&s.deliveryNewest:      deliveryNewest,
		&s.bodyInsert:          bodyInsert,
		&s.attemptInsert:       attemptInsert,
		&s.timerSet:            timerSet,
		&s.timerClear:          timerClear,
		&s.watchInsert:         watchInsert,
		&s.watchDelete:         watchDelete,
		&s.exceptionWrite:      exceptionWrite,
		&s.auditInsert:         auditInsert,
		&s.mappingInsert:       mappingInsert,
		&s.mappingDelete:       mappingDelete,
		&s.settingWrite:        settingWrite,
		&s.pastWrite:           pastWrite,
	}
}

// readStatements are prepared once on the reading handle.
type readStatements struct {
	messageByID           *sql.Stmt
	messageByDedupe       *sql.Stmt
	eventByID             *sql.Stmt
	eventsAll             *sql.Stmt
	eventsOfWaybill       *sql.Stmt
	eventsInState         *sql.Stmt
	eventsOfSource        *sql.Stmt
	eventsOfMessage       *sql.Stmt
	eventsNewest          *sql.Stmt
	eventCounts           *sql.Stmt
	headsAll              *sql.Stmt
	headOwners            *sql.Stmt
	waybillByID           *sql.Stmt
	waybillByTag          *sql.Stmt
	waybillsByTag         *sql.Stmt
	waybillsByRef         *sql.Stmt
	waybillsNewest        *sql.Stmt
	waybillsInStatus      *sql.Stmt
	waybillsLikeRef       *sql.Stmt
	referencesOf          *sql.Stmt
	deliveryByID          *sql.Stmt
	deliveriesAll         *sql.Stmt
	deliveriesOfWaybill   *sql.Stmt
	deliveriesOfItem      *sql.Stmt
	deliveriesInState     *sql.Stmt
	deliveriesOfTarget    *sql.Stmt
	deliveriesNewest      *sql.Stmt
	deliveriesPending     *sql.Stmt
	bodyOf                *sql.Stmt
	attemptsOf            *sql.Stmt
	timersAll             *sql.Stmt
	watchesOf             *sql.Stmt
	exceptionByID         *sql.Stmt
	exceptionsAll         *sql.Stmt
	exceptionsOfWaybill   *sql.Stmt
	exceptionsOfCause     *sql.Stmt
	exceptionsOpenOfCause *sql.Stmt
	exceptionsInState     *sql.Stmt
	exceptionCounts       *sql.Stmt
	exceptionsOpen        *sql.Stmt
	auditAfter            *sql.Stmt
	auditHead             *sql.Stmt
	mappingsAll           *sql.Stmt
	mappingsOfSystem      *sql.Stmt
	mappingsOfKind        *sql.Stmt
	mappingsOfCanonical   *sql.Stmt
	mappingsOfValue       *sql.Stmt
	settingRead           *sql.Stmt
	pastRead              *sql.Stmt
}

// list names the text of every statement.
func (s *readStatements) list() map[**sql.Stmt]string {
	return map[**sql.Stmt]string{
		&s.messageByID:           messageByID,
		&s.messageByDedupe:       messageByDedupe,
		&s.eventByID:             eventByID,
		&s.eventsAll:             eventsAll,
		&s.eventsOfWaybill:       eventsOfWaybill,
		&s.eventsInState:         eventsInState,
		&s.eventsOfSource:        eventsOfSource,
		&s.eventsOfMessage:       eventsOfMessage,
		&s.eventsNewest:          eventsNewest,
		&s.eventCounts:           eventCounts,
		&s.headsAll:              headsAll,
		&s.headOwners:            headOwners,
		&s.waybillByID:           waybillByID,
		&s.waybillByTag:          waybillByTag,
		&s.waybillsByTag:         waybillsByTag,
		&s.waybillsByRef:         waybillsByRef,
		&s.waybillsNewest:        waybillsNewest,
		&s.waybillsInStatus:      waybillsInStatus,
		&s.waybillsLikeRef:       waybillsLikeRef,
		&s.referencesOf:          referencesOf,
		&s.deliveryByID:          deliveryByID,
		&s.deliveriesAll:         deliveriesAll,
		&s.deliveriesOfWaybill:   deliveriesOfWaybill,
		&s.deliveriesOfItem:      deliveriesOfItem,
		&s.deliveriesInState:     deliveriesInState,
		&s.deliveriesOfTarget:    deliveriesOfTarget,
		&s.deliveriesNewest:      deliveriesNewest,
		&s.deliveriesPending:     deliveriesPending,
		&s.bodyOf:                bodyOf,
		&s.attemptsOf:            attemptsOf,
		&s.timersAll:             timersAll,
		&s.watchesOf:             watchesOf,
		&s.exceptionByID:         exceptionByID,
		&s.exceptionsAll:         exceptionsAll,
		&s.exceptionsOfWaybill:   exceptionsOfWaybill,
		&s.exceptionsOfCause:     exceptionsOfCause,
		&s.exceptionsOpenOfCause: exceptionsOpenOfCause,
		&s.exceptionsInState:     exceptionsInState,
		&s.exceptionCounts:       exceptionCounts,
		&s.exceptionsOpen:        exceptionsOpen,
		&s.auditAfter:            auditAfter,
		&s.auditHead:             auditHead,
		&s.mappingsAll:           mappingsAll,
		&s.mappingsOfSystem:      mappingsOfSystem,
		&s.mappingsOfKind:        mappingsOfKind,
		&s.mappingsOfCanonical:   mappingsOfCanonical,
		&s.mappingsOfValue:       mappingsOfValue,
		&s.settingRead:           settingRead,
		&s.pastRead:              pastRead,
	}
}
