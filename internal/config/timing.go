package config

import (
	"slices"
	"time"
)

// Timing is how long things take before something else happens.
type Timing struct {
	Profile     string
	Lease       time.Duration // a replica that is silent for this long loses its shards
	Deadline    time.Duration // of an attempt: the target must neither apply nor take it later (T0)
	Settle      time.Duration // after the deadline, before asking what became of it (T5)
	BackoffMin  time.Duration // before the first repetition of what was not applied
	BackoffMax  time.Duration // between later ones
	AckDeadline time.Duration // for the acknowledgment of a document that was taken (T1, 202)
}

// profile is a set of times, with those of the policy that go with them.
type profile struct {
	Timing
	limbo, holdRecheck, masterData time.Duration
}

// profiles are those of the system contract: T0, T1, T5, W4 and, for fast, its
// last paragraph. What it leaves open is ours.
var profiles = []profile{
	{Timing{Profile: "standard", Lease: 10 * time.Second, Deadline: 30 * time.Second, Settle: 2 * time.Second,
		BackoffMin: time.Second, BackoffMax: 5 * time.Minute, AckDeadline: time.Hour},
		10 * time.Minute, 15 * time.Minute, 15 * time.Minute},
	{Timing{Profile: "fast", Lease: 2 * time.Second, Deadline: 2 * time.Second, Settle: time.Second,
		BackoffMin: 50 * time.Millisecond, BackoffMax: 2 * time.Second, AckDeadline: 10 * time.Second},
		5 * time.Second, 5 * time.Second, 10 * time.Second},
}

func profileNames() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.Profile)
	}
	return names
}

func profileOf(name string) (profile, bool) {
	i := slices.IndexFunc(profiles, func(p profile) bool { return p.Profile == name })
	if i < 0 {
		return profiles[0], false
	}
	return profiles[i], true
}

// timing reads the times: those of the profile, unless a key says otherwise.
func (s *section) timing() (Timing, profile) {
	name := s.text("profile", profiles[0].Profile)
	p, ok := profileOf(name)
	if !ok {
		s.r.problem(s.nodes["profile"], s.at("profile"), "there is no profile "+name, oneOf(name, profileNames()))
	}
	t := p.Timing
	t.Lease = s.duration("lease", t.Lease)
	t.Deadline = s.duration("deadline", t.Deadline)
	t.Settle = s.duration("settle", t.Settle)
	t.BackoffMin = s.duration("backoff_min", t.BackoffMin)
	t.BackoffMax = s.duration("backoff_max", t.BackoffMax)
	t.AckDeadline = s.duration("ack_deadline", t.AckDeadline)
	s.close()
	return t, p
}
