package gateway

import (
	"context"
	"net"
	"sync"

	"photongate/gateway/output"
	"photongate/protocol"
	"photongate/protocol/journal"
)

// outputs are the [[output]]s of a gateway: they serve programs that do not
// speak its protocol.
type outputs struct {
	list []*output.Output
	wg   sync.WaitGroup
	end  context.CancelFunc
}

func (g *Gateway) newOutputs(j *journal.Journal, c *control) (*outputs, error) {
	deps := output.Deps{Journal: j, Gateway: g.config.Name, Devices: g.config.streamNames(), Usual: g.config.usualStream(), Clock: g.lastClock, Log: g.log}
	o := &outputs{}
	for _, config := range g.config.Outputs {
		deps.Control = outputControl{c, config}
		one, err := output.New(config, deps)
		if err != nil {
			return nil, err
		}
		o.list = append(o.list, one)
	}
	return o, nil
}

// outputControl answers the clients of one output: they may read settings, and
// change them where its configuration says so.
type outputControl struct {
	control *control
	config  output.Config
}

// Do implements output.Controller.
func (o outputControl) Do(ctx context.Context, from net.Addr, r protocol.Request) protocol.Reply {
	rights := []string{protocol.RightRead}
	if o.config.AllowSet && o.config.Local() {
		rights = append(rights, protocol.RightChange)
	}
	return *o.control.answer(ctx, askerAt(from, "output "+o.config.Label(), rights), &r)
}

// start has the outputs listen and serve until stop. An address that is taken
// is said in the log, and tried again: instruments are read meanwhile.
func (o *outputs) start(ctx context.Context) {
	ctx, o.end = context.WithCancel(ctx)
	for _, one := range o.list {
		_ = one.Open(ctx) // it logs why not, and tries again
		o.wg.Go(func() { one.Run(ctx) })
	}
}

// stop ends the outputs when they have sent what is in the journal, or a
// moment later, and waits for that.
func (o *outputs) stop() {
	o.end()
	o.wg.Wait()
}

// status says how each output is; o may be nil.
func (o *outputs) status() []protocol.OutputStatus {
	if o == nil {
		return nil
	}
	var list []protocol.OutputStatus
	for _, one := range o.list {
		list = append(list, one.Status())
	}
	return list
}
