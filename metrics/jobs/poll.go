package jobs

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// maxRounds is how many round trips a poll takes at most.
const maxRounds = 3

// poll is one conversation about any number of systems.
type poll struct {
	doer    redisclient.Doer
	state   *state
	options *item.JobsOptions

	now    float64
	hasNow bool
	// timeless is why now is by our own clock: the server refuses TIME.
	timeless error
	round    int
	asks     []question
	// payloads: jobs themselves were asked for.
	payloads bool
	// most is how many round trips it takes at most; maxRounds if it is 0.
	most int
	// weight is what is remembered of payloads; that of state if it is nil.
	weight *heavy

	// followUps are the commands sent so far that lists of any length caused.
	followUps int

	wantClients wantsClients // see clients

	// keys are those of a small Redis, all of them when sawAll, see newcomers.go.
	keys   []string
	sawAll bool
}

type question struct {
	cmd  redisclient.Command
	then func(v resp.Value, err error)
	// payload: the reply holds what strangers wrote, of any size.
	payload bool
	// reply is what arrived.
	reply resp.Value
}

// Ask sends a command in the next round trip and calls then with its reply. err
// is the server's refusal; the server's state, such as loading, ends the poll
// before. then may ask again, but in the last round.
func (p *poll) Ask(then func(v resp.Value, err error), cmd ...string) {
	if p.round >= p.rounds() {
		panic("bug: " + cmd[0] + " asked after the last round")
	}
	p.asks = append(p.asks, question{cmd: cmd, then: then})
}

// expect makes room for n more commands.
func (p *poll) expect(n int) { p.asks = slices.Grow(p.asks, n) }

// AskPayload is Ask for a reply that holds whole jobs. One that was too large
// the last time is not asked for again for a while, see heavy.go.
func (p *poll) AskPayload(then func(v resp.Value, err error), cmd ...string) {
	p.Ask(then, cmd...)
	p.asks[len(p.asks)-1].payload = true
}

// Count adds the number that a command answers to a figure. Nothing, as GET
// says of a counter that was never set, is 0.
func (p *poll) Count(f *figures, name figure, cmd ...string) { p.count(f, name, 1, cmd) }

// Subtract is Count that takes the number away.
func (p *poll) Subtract(f *figures, name figure, cmd ...string) { p.count(f, name, -1, cmd) }

func (p *poll) count(f *figures, name figure, sign float64, cmd []string) {
	p.Ask(func(v resp.Value, err error) {
		n, err := number(v, err)
		if err != nil {
			f.Miss(name, cmd[0]+": "+err.Error())
			return
		}
		f.Add(name, sign*n)
	}, cmd...)
}

// number reads a number; nothing is 0.
func number(v resp.Value, err error) (float64, error) {
	if err != nil || v.IsNull() {
		return 0, err
	}
	return v.Float64()
}

// Strings gives then the texts of an array.
func (p *poll) Strings(then func(texts []string, err error), cmd ...string) {
	p.Ask(func(v resp.Value, err error) {
		var texts []string
		if err == nil {
			texts, err = v.Strings()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", cmd[0], err)
		}
		then(texts, err)
	}, cmd...)
}

// Now is the server's time in unix seconds, or ours where it tells none. It is not
// known before the first answers arrive.
func (p *poll) Now() float64 {
	if !p.hasNow {
		panic("bug: the time is asked for before the first round trip")
	}
	return p.now
}

// NowArg is Now as the bound of a range of scores, in units of 1/perSecond.
func (p *poll) NowArg(perSecond float64) string {
	return strconv.FormatFloat(math.Floor(p.Now()*perSecond), 'f', -1, 64)
}

// overdueAfter is how many seconds a job may be due before it counts as overdue:
// schedulers and workers look for those that are due every few seconds, Sidekiq up to
// fifteen, and at any moment some are due of many.
const overdueAfter = 30

// OverdueArg is the bound of those scores that are due for longer than that.
func (p *poll) OverdueArg(perSecond float64) string {
	return strconv.FormatFloat(math.Floor((p.Now()-overdueAfter)*perSecond), 'f', -1, 64)
}

// Age is the time since a moment in unix seconds, to the microsecond, as the server
// tells the time; 0 for one that its clock has not reached, because writers have
// clocks of their own.
func (p *poll) Age(at float64) float64 { return math.Round(max(0, p.Now()-at)*1e6) / 1e6 }

// clockSlack is by how much a worker's clock may be ahead of the server's, in seconds. The
// heartbeat of one whose clock is wrong by more says nothing: it would hide the worker's
// death for as long.
const clockSlack = 60

// ahead says by how much a heartbeat lies in the future; nil for no more than clockSlack.
func (p *poll) ahead(at float64) error {
	if by := at - p.Now(); by > clockSlack {
		return fmt.Errorf("its heartbeat is %.0f s ahead of the server's clock: check the clock of its machine", by)
	}
	return nil
}

func (p *poll) rounds() int { return cmp.Or(p.most, maxRounds) }

func (p *poll) weights() *heavy { return cmp.Or(p.weight, &p.state.heavy) }

// run asks and answers until nobody asks any more. The error is for the
// conversation or the server as a whole.
func (p *poll) run(ctx context.Context) (err error) {
	defer func() { p.weights().judge(p.payloads, err) }()
	for p.round < p.rounds() {
		asks := p.asks
		p.asks = nil
		if p.round > 0 && len(asks) == 0 {
			return nil
		}
		if err := p.converse(ctx, asks); err != nil {
			return err
		}
	}
	return nil
}

var commandTime = redisclient.Command{"TIME"}

// takeTime takes the reply to TIME. A refusal is remembered, and our own clock is used
// in its place; the error is for a server that cannot answer, or not be understood.
func (p *poll) takeTime(v resp.Value) (err error) {
	if err = v.Err(); err == nil {
		if p.now, err = redisclient.ParseTime(v); err != nil {
			return redisclient.Misread("ask the server for its time", err)
		}
		return nil
	}
	if redisclient.ConcernsServer(err) {
		return err
	}
	p.state.refusals.Note(commandTime, "", err)
	p.timeless = err
	return nil
}

// writeTimeless says whose clock was used where it was not the server's.
func writeTimeless(w *jsondoc.Writer, err error) {
	if err != nil {
		w.Key("time").String("TIME: " + err.Error() + ": ages and what is due are by the clock of the machine of the agent")
	}
}

// converse is one round trip. Commands that were refused for good are not sent.
func (p *poll) converse(ctx context.Context, asks []question) error {
	cmds := make([]redisclient.Command, 0, 1+len(asks))
	first := p.round == 0
	if first {
		if p.timeless = p.state.refusals.Of(commandTime, ""); p.timeless == nil {
			cmds = append(cmds, commandTime)
		}
	}
	refused := make([]error, len(asks))
	for i, a := range asks {
		if refused[i] = p.state.refusals.Of(a.cmd, ""); refused[i] == nil {
			refused[i] = p.weights().tooHeavy(&asks[i])
			p.payloads = p.payloads || a.payload && refused[i] == nil
		}
		if refused[i] == nil {
			cmds = append(cmds, a.cmd)
		}
	}
	if first && len(cmds) == 0 { // without a question it is not known whether it answers
		if err := ask.Ping(ctx, p.doer); err != nil {
			return err
		}
	}
	replies, err := p.doer.DoAll(ctx, cmds...)
	if err != nil {
		return err
	}
	p.round++
	if first {
		if p.timeless == nil {
			if err := p.takeTime(replies[0]); err != nil {
				return err
			}
			replies = replies[1:]
		}
		if p.timeless != nil {
			p.now = ask.UnixSeconds(time.Now())
		}
		p.hasNow = true
	}
	for i := range asks {
		if refused[i] != nil {
			continue
		}
		v := replies[0]
		replies = replies[1:]
		asks[i].reply = v
		if err := v.Err(); err != nil {
			if redisclient.ConcernsServer(err) {
				return err
			}
			p.state.refusals.Note(asks[i].cmd, "", err)
			refused[i] = err
		}
	}
	p.weights().weigh(asks)
	for i, a := range asks {
		a.then(a.reply, refused[i])
	}
	return nil
}
