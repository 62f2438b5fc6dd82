package packed

import (
	"bytes"
	"testing"

	"github.com/waybillhq/waybill/internal/lane"
)

// FuzzCodec feeds the readers of packed rows and blobs what no writer made:
// they answer with an error, and never read past the end.
func FuzzCodec(f *testing.F) {
	var a Arena
	d := lane.Delivery{Lane: "SO-1", Detail: "429 Too Many Requests", Attempts: 3}
	f.Add(a.Decided(&d))
	f.Add(a.Progress(&d))
	f.Add(a.Pack(bytes.Repeat([]byte("ab"), 300)))
	f.Add([]byte{deliveryFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var d lane.Delivery
		if err := ReadProgress(b, &d); err == nil {
			again := new(Arena).Progress(&d)
			var e lane.Delivery
			if err := ReadProgress(again, &e); err != nil || e != d {
				t.Errorf("%+v came back as %+v, %v", d, e, err)
			}
		}
		_, _, _ = UnpackData(b)
	})
}

func TestArena_KeepsEarlierBlobs(t *testing.T) {
	var a Arena
	var packed [][]byte
	var want [][]byte
	for i := range 40 {
		b := bytes.Repeat([]byte{byte(i)}, 1+i*i*3)
		want, packed = append(want, b), append(packed, a.Pack(b))
	}
	for i := range packed {
		if got, err := Unpack(packed[i]); err != nil || !bytes.Equal(got, want[i]) {
			t.Errorf("blob %d of %d bytes came back as %d, %v", i, len(want[i]), len(got), err)
		}
	}
	if _, err := Unpack([]byte{9, 1}); err == nil {
		t.Error("a blob of an unknown format was read")
	}
}
