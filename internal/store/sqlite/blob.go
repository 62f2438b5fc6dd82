package sqlite

import (
	"errors"
	"fmt"
	"time"

	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/schema"
	"github.com/waybillhq/waybill/internal/store/packed"
)

// toBlob scans a packed blob.
type toBlob struct{ b *[]byte }

// Scan implements sql.Scanner.
func (d toBlob) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d.b = nil
		return nil
	case []byte:
		b, err := packed.Unpack(v)
		*d.b = b
		return err
	default:
		return fmt.Errorf("a blob holds a %T", v)
	}
}

// toData scans the data of an event; its type has been scanned before it.
type toData struct {
	event   *ledger.Event
	formats schema.Formats
}

// Scan implements sql.Scanner.
func (d toData) Scan(v any) error {
	stored, ok := v.([]byte)
	if !ok {
		return toBlob{&d.event.Data}.Scan(v)
	}
	b, version, err := packed.UnpackData(stored)
	if err != nil {
		return err
	}
	d.event.Data = b
	if version == d.formats.Version(d.event.Type) {
		return nil
	}
	d.event.Stored = b
	d.event.Data, err = d.formats.Current(d.event.Type, version, b)
	return err
}

// toDecided scans what was decided of a delivery.
type toDecided struct{ d *lane.Delivery }

// Scan implements sql.Scanner.
func (d toDecided) Scan(v any) error {
	b, _ := v.([]byte)
	return packed.ReadDecided(b, d.d)
}

// toProgress scans what became of a delivery.
type toProgress struct{ d *lane.Delivery }

// Scan implements sql.Scanner.
func (d toProgress) Scan(v any) error {
	b, _ := v.([]byte)
	return packed.ReadProgress(b, d.d)
}

// toHash scans a hash; NULL is the zero hash.
type toHash struct{ hash *[32]byte }

// Scan implements sql.Scanner.
func (d toHash) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d.hash = [32]byte{}
		return nil
	case []byte:
		if len(v) != len(d.hash) {
			return fmt.Errorf("a hash has %d bytes, not %d", len(v), len(d.hash))
		}
		copy(d.hash[:], v)
		return nil
	default:
		return fmt.Errorf("a hash holds a %T", v)
	}
}

// toTime scans a time in UTC; NULL is the zero time.
type toTime struct{ t *time.Time }

// Scan implements sql.Scanner.
func (d toTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d.t = time.Time{}
		return nil
	case int64:
		*d.t = time.UnixMicro(v).UTC()
		return nil
	default:
		return errors.New("a time is no integer")
	}
}
