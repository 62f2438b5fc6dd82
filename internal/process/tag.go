package process

import "github.com/waybillhq/waybill"

// Tag is the number of the hash that all keys of the order's documents begin
// with. Its lowest ten bits are the order's shard.
func Tag(ref string, p *Policy) int64 {
	s := New(ref, p)
	return waybill.TagNumber(p.Namespace, s.origin, s.own)
}
