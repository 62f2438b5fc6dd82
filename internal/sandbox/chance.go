package sandbox

// chance is a small seeded stream of draws (SplitMix64). Every draw of the
// sandbox comes from a stream named after its purpose and its object, so that
// one more draw in one place moves no draw anywhere else, and neither threads
// nor timing can change what an order's fate is.
type chance struct{ state uint64 }

// drawn opens the stream for a purpose and the objects it is about.
func drawn(seed int64, purpose string, about ...uint64) chance {
	h := mix(uint64(seed) ^ textHash(purpose))
	for _, a := range about {
		h = mix(h ^ a)
	}
	return chance{h}
}

// next gives 64 fresh bits.
func (c *chance) next() uint64 {
	c.state += 0x9e3779b97f4a7c15
	return mix(c.state)
}

// below gives a number from 0 to n-1; 0 where n is below 2.
func (c *chance) below(n int) int {
	if n < 2 {
		return 0
	}
	return int(c.next() % uint64(n))
}

// hit says yes in perMille of 1000 cases.
func (c *chance) hit(perMille int) bool { return c.below(1000) < perMille }

// mix is the finaliser of SplitMix64.
func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// textHash is FNV-1a over s.
func textHash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
