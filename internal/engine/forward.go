package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/waybillhq/waybill"
)

// passedOn is an input that was handed to the replica that can carry it out.
type passedOn struct{ task int64 }

func (p *passedOn) Error() string { return "it was handed to the replica that can carry it out" }

// reply is what that replica answers.
type reply struct {
	Wrong  *wrong  `json:"wrong,omitempty"`
	Mapped *Mapped `json:"mapped,omitempty"`
}

// wrong is a *waybill.Error on its way between replicas.
type wrong struct{ Code, Field, Detail, Fix string }

// codeOf is the code of a [*waybill.Error]; empty for any other.
func codeOf(err error) string {
	if no := (*waybill.Error)(nil); errors.As(err, &no) {
		return no.Code
	}
	return ""
}

// errSeveral refuses what changes all shards in one commit, where no replica
// has all of them.
func errSeveral(what string) error {
	return refuse("several_replicas", what+" while the orders are divided between replicas",
		"stop all but one, do it, and start them again; or set database.replicas to standby")
}

// passOn hands an input that concerns all shards to the steward, where that is
// not this replica. Whoever waits for it is told after the commit.
func (b *batch) passOn(ctx context.Context, kind string, what any, tell func(error)) (bool, error) {
	if b.e.owns(steward) {
		return false, nil
	}
	task, err := b.hand(ctx, steward, kind, what)
	if err != nil {
		return false, err
	}
	b.after = append(b.after, func() { tell(&passedOn{task: task}) })
	return true, nil
}

// answer keeps what became of a task for the replica that waits for it. Only a
// [*waybill.Error] is an answer: after any other error the batch is given up,
// and the task is done again.
func (b *batch) answer(task int64, r reply, err error) error {
	if no := (*waybill.Error)(nil); errors.As(err, &no) {
		r = reply{Wrong: &wrong{no.Code, no.Field, no.Detail, no.Fix}}
	} else if err != nil {
		return err
	}
	text, err := waybill.Marshal(&r)
	if err != nil {
		return fmt.Errorf("answer what another replica asked for: %w", err)
	}
	if b.over.Answers == nil {
		b.over.Answers = map[int64]string{}
	}
	b.over.Answers[task] = string(text)
	return nil
}

// answerThere waits for the answer to what was passed on; any other error is
// returned as it is.
func (e *Engine) answerThere(ctx context.Context, said error) (reply, error) {
	there := (*passedOn)(nil)
	if !errors.As(said, &there) {
		return reply{}, said
	}
	text, err := e.awaitAnswer(ctx, there.task)
	if err != nil {
		return reply{}, err
	}
	var r reply
	if err := waybill.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("read what another replica answered: %w", err)
	}
	if r.Wrong != nil {
		return r, &waybill.Error{Code: r.Wrong.Code, Field: r.Wrong.Field, Detail: r.Wrong.Detail, Fix: r.Wrong.Fix}
	}
	return r, nil
}
