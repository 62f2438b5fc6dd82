package packed

import "github.com/waybillhq/waybill/internal/lane"

// deliveryFormat is the first byte of what is packed of a delivery.
const deliveryFormat = 1

// Decided packs what was decided of a document and never changes: what has no
// column of its own because nothing looks for it.
func (a *Arena) Decided(d *lane.Delivery) []byte {
	return a.code(deliveryFormat, func(c *codec) { c.decided(d) })
}

// Progress packs what became of a delivery so far. Every delivery is written
// at least twice, and a column would cost its time both times.
func (a *Arena) Progress(d *lane.Delivery) []byte {
	return a.code(deliveryFormat, func(c *codec) { c.progress(d) })
}

// ReadDecided reads what Decided packed into d, and leaves its other fields.
func ReadDecided(stored []byte, d *lane.Delivery) error {
	return decode(stored, deliveryFormat, func(c *codec) { c.decided(d) })
}

// ReadProgress reads what Progress packed into d, and leaves its other fields.
func ReadProgress(stored []byte, d *lane.Delivery) error {
	return decode(stored, deliveryFormat, func(c *codec) { c.progress(d) })
}

// decided codes what was decided of a document and never changes.
func (c *codec) decided(d *lane.Delivery) {
	text(c, &d.Lane)
	text(c, &d.Subject)
	number(c, &d.Revision)
	text(c, &d.Supersedes)
	text(c, &d.Compensates)
	text(c, &d.Why)
	c.moment(&d.DecidedAt)
}

// progress codes what became of it so far.
func (c *codec) progress(d *lane.Delivery) {
	number(c, &d.Version)
	number(c, &d.Event)
	c.flag(&d.Front)
	number(c, &d.After)
	text(c, &d.Reason)
	text(c, &d.Detail)
	text(c, &d.Hold)
	number(c, &d.Attempts)
	c.moment(&d.StartedAt)
	c.moment(&d.Deadline)
	c.moment(&d.EndedAt)
	text(c, &d.Outcome)
	number(c, &d.Epoch)
	number(c, &d.Failures)
	c.moment(&d.AckBy)
	text(c, &d.Ref)
	number(c, &d.N)
	c.digest(&d.Digest)
	c.moment(&d.SettledAt)
}
