package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// natsFlight is how many rounds are under way at once, and how many workers
// there are for them.
const natsFlight = 256

// natsRound is a message: what the round before left, and the number of the
// round to do. After the last one there is none to do.
type natsRound struct {
	Order  int    `json:"order"`
	Round  int    `json:"round"`
	Before record `json:"before"`
}

// natsJetStream runs an order as a chain of messages on one stream, in a server
// inside this process: a worker publishes what its round leaves, waits until the
// stream has it on disk, and then acknowledges what the round began with.
func natsJetStream(ctx context.Context, b *bench) error {
	s, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: b.dir, SyncAlways: true, NoLog: true, NoSigs: true})
	if err != nil {
		return err
	}
	s.Start()
	defer func() {
		s.Shutdown()
		s.WaitForShutdown()
	}()
	if !s.ReadyForConnections(stopWithin) {
		return errors.New("the server did not get ready")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "orders", Subjects: []string{"round.*"}, Storage: jetstream.FileStorage})
	if err != nil {
		return err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "worker", AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: 5 * time.Minute, MaxAckPending: 4 * natsFlight})
	if err != nil {
		return err
	}
	if err := b.begin(ctx); err != nil {
		return err
	}
	if err := natsPass(ctx, b.flow, js, consumer); err != nil {
		return err
	}
	if err := b.end(ctx); err != nil {
		return err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	b.out.Rounds = int64(info.State.Msgs)
	b.out.Commits = float64(info.State.Msgs) // each message is synced by itself
	return nil
}

// natsPass takes the orders in and does their rounds with one set of workers
// for each.
func natsPass(ctx context.Context, f *flow, js jetstream.JetStream, consumer jetstream.Consumer) error {
	g, ctx := errgroup.WithContext(ctx)
	room := make(chan struct{}, natsFlight) // a place for each order under way
	work := make(chan jetstream.Msg, natsFlight)
	ended := make(chan struct{}, f.orders)
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		select {
		case work <- m:
		case <-ctx.Done():
		}
	}, jetstream.PullMaxMessages(2*natsFlight))
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	for range natsFlight {
		g.Go(func() error {
			for {
				select {
				case m := <-work:
					last, err := natsWork(ctx, f, js, m)
					if err != nil {
						return err
					}
					if last {
						<-room
						ended <- struct{}{}
					}
				case <-stop:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
	}
	g.Go(func() error {
		defer close(stop)
		for i := range f.orders {
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error { return natsPublish(ctx, js, natsRound{Order: i, Round: 2, Before: f.first(i)}) })
		}
		for range f.orders {
			select {
			case <-ended:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err = g.Wait()
	consuming.Stop()
	return err
}

// natsWork does the round that a message asks for; last says that it was none.
func natsWork(ctx context.Context, f *flow, js jetstream.JetStream, m jetstream.Msg) (last bool, err error) {
	var r natsRound
	if err := json.Unmarshal(m.Data(), &r); err != nil {
		return false, err
	}
	if r.Round > roundsPerOrder {
		return true, m.Ack()
	}
	after, err := f.round(r.Round, r.Order, r.Before)
	if err != nil {
		return false, err
	}
	if err := natsPublish(ctx, js, natsRound{Order: r.Order, Round: r.Round + 1, Before: after}); err != nil {
		return false, err
	}
	return false, m.Ack()
}

// natsPublish returns when the stream has the message on disk.
func natsPublish(ctx context.Context, js jetstream.JetStream, r natsRound) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// The id lets the stream drop what a worker publishes again after a crash.
	if _, err := js.Publish(ctx, fmt.Sprintf("round.%d", r.Round), body, jetstream.WithMsgID(fmt.Sprintf("%d-%d", r.Order, r.Round))); err != nil {
		return fmt.Errorf("publish round %d of order %s: %w", r.Round, orderName(r.Order), err)
	}
	return nil
}
