package sqlite

import (
	"bytes"
	"testing"

	"github.com/waybillhq/waybill/internal/lane"
)

// FuzzCodec feeds the readers of packed rows and blobs what no writer made:
// they answer with an error, and never read past the end.
func FuzzCodec(f *testing.F) {
	var a arena
	d := lane.Delivery{Lane: "SO-1", Detail: "429 Too Many Requests", Attempts: 3}
	f.Add(a.code(deliveryFormat, func(c *codec) { c.decided(&d) }))
	f.Add(a.code(deliveryFormat, func(c *codec) { c.progress(&d) }))
	f.Add(a.pack(bytes.Repeat([]byte("ab"), 300)))
	f.Add([]byte{deliveryFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var d lane.Delivery
		if err := (toFields{deliveryFormat, func(c *codec) { c.progress(&d) }}).Scan(b); err == nil {
			again := new(arena).code(deliveryFormat, func(c *codec) { c.progress(&d) })
			var e lane.Delivery
			if err := (toFields{deliveryFormat, func(c *codec) { c.progress(&e) }}).Scan(again); err != nil || e != d {
				t.Errorf("%+v came back as %+v, %v", d, e, err)
			}
		}
		_, _ = unpack(b)
	})
}

func TestArena_KeepsEarlierBlobs(t *testing.T) {
	var a arena
	var packed [][]byte
	var want [][]byte
	for i := range 40 {
		b := bytes.Repeat([]byte{byte(i)}, 1+i*i*3)
		want, packed = append(want, b), append(packed, a.pack(b))
	}
	for i := range packed {
		if got, err := unpack(packed[i]); err != nil || !bytes.Equal(got, want[i]) {
			t.Errorf("blob %d of %d bytes came back as %d, %v", i, len(want[i]), len(got), err)
		}
	}
	if _, err := unpack([]byte{9, 1}); err == nil {
		t.Error("a blob of an unknown format was read")
	}
}
