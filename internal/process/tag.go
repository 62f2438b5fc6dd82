package process

import "github.com/waybillhq/waybill"

// Tag is the number of the hash that all keys of the order's documents begin
// with. Its lowest ten bits are the order's shard.
func Tag(ref string, p *Policy) int64 {
	origin, own := p.origin(ref)
	return waybill.TagNumber(p.Namespace, origin, own)
}

// origin is the channel with the longest prefix that ref begins with, and the
// order's number as that channel knows it. A ref without a known prefix
// belongs to the channel whose prefix is empty, or to none.
func (p *Policy) origin(ref string) (name, own string) {
	best := -1
	own = ref
	for channel, c := range p.Channels {
		number, ok := waybill.OwnNumber(c.Prefix, ref)
		if !ok || len(c.Prefix) < best || len(c.Prefix) == best && channel > name {
			continue
		}
		best, name, own = len(c.Prefix), channel, number
	}
	return name, own
}
