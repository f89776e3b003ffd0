package krb5file

import (
	"context"
	"os"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// Probe looks at the krb5.conf that a configuration names. The file is found
// anew each time.
type Probe struct {
	Config *config.Config // its krb5_conf is there
	Now    func() time.Time
	// Issues hears of what is wrong with the file, one result an issue, before Run
	// returns the result of the file itself; it may be nil.
	Issues func([]probe.Result)
}

var _ probe.Probe = Probe{}

func (p Probe) find() (File, error) {
	return Find(Wish{Config: p.Config, KRB5Config: os.Getenv("KRB5_CONFIG")})
}

// ID is krb5conf and the file that programs read.
func (p Probe) ID() probe.ID {
	f, err := p.find()
	path := f.Main()
	if err != nil {
		path = p.Config.Krb5Conf.Path
	}
	return krb5conf.Probe{Path: path}.ID()
}

// Run looks at the file once.
func (p Probe) Run(ctx context.Context) probe.Result {
	var issues []probe.Result
	f, err := p.find()
	var look krb5conf.Probe
	if err == nil {
		look, err = f.Probe(HostWorld, func(r probe.Result) { issues = append(issues, r) }, p.Now)
	}
	if err != nil {
		return probe.Begin(p.ID(), p.Now).Fail(probe.ReasonInternal, err)
	}
	res := look.Run(ctx)
	if p.Issues != nil {
		p.Issues(issues)
	}
	return res
}
