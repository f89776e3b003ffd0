package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

const (
	// rebootSettle is how long a reboot whose answer was lost is looked for in the
	// instance's state and events before it is asked for again.
	rebootSettle = 3 * time.Minute
	// eventsBack is how far back events are read, in minutes: a week.
	eventsBack = 7 * 24 * 60
	// restartBudget is how long the event of a restart is waited for. Without it,
	// an instance that is available counts as restarted.
	restartBudget = 10 * time.Minute
)

// readersStep reboots the readers of a cluster that was joined by a modify: the
// plugin is loaded at start, and the guide asks for it. The writer is left alone.
type readersStep struct {
	*world
	rds rdsCalls
}

func (s *readersStep) name() string { return "readers" }

func (s *readersStep) look(ctx context.Context) (view, error) {
	v, err := s.lookAtEach(ctx)
	s.cluster.rebooting = len(v.do) > 0 || v.wait != nil
	_, ours := s.state.Done["joined/"+s.Config.Cluster.Identifier]
	s.cluster.joinedElsewhere = !ours
	return v, err
}

func (s *readersStep) lookAtEach(ctx context.Context) (view, error) {
	id := s.Config.Cluster.Identifier
	joined, ours := s.state.Done["joined/"+id]
	if !ours {
		if s.cluster.host == "" {
			return view{is: "to be rebooted once the cluster is joined",
				do: []change{{what: "reboot the readers of " + id + ", one at a time"}}}, nil
		}
		return view{is: "were not joined by this bootstrap: none is rebooted"}, nil
	}
	// Who writes is asked before every reboot: a failover swaps them.
	c, err := awsapi.Cluster(ctx, s.rds.describeDBClusters, id)
	if err != nil {
		return view{}, err
	}
	if c == nil {
		return view{}, advise("run it again", "the cluster %s is gone", id)
	}
	newest, ok := s.state.Done[newestBefore(id)]
	if !ok {
		newest = joined
	}
	v := view{}
	var done, left []string
	for _, m := range c.DBClusterMembers {
		reader := aws.ToString(m.DBInstanceIdentifier)
		i, err := awsapi.Instance(ctx, s.rds.describeDBInstances, reader)
		if err != nil {
			return v, err
		}
		if i == nil || i.InstanceCreateTime == nil || i.InstanceCreateTime.After(newest) {
			continue // one that was made after the join has started with the plugin
		}
		status := aws.ToString(i.DBInstanceStatus)
		if status != "available" {
			if _, asking := s.state.Done[eventsUntil(reader)]; asking && status == "rebooting" {
				err = s.asked(reader, joined)
			}
			v.is, v.wait = fmt.Sprintf("%s is %s", reader, plain(status)), restarting(reader, status)
			return v, err
		}
		asked, restarted, err := s.restarted(ctx, reader, joined)
		if err != nil {
			return v, err
		}
		switch {
		case restarted:
			done = append(done, reader)
		case asked:
			v.is, v.wait = reader+" was asked to reboot", restarting(reader, "about to restart")
			return v, nil
		case !aws.ToBool(m.IsClusterWriter):
			left = append(left, reader)
		}
	}
	return s.remaining(v, done, left, joined), nil
}

// remaining adds to v what was rebooted and what is still to be rebooted.
func (s *readersStep) remaining(v view, done, left []string, joined time.Time) view {
	slices.Sort(left)
	slices.Sort(done)
	v.is = fmt.Sprintf("%d rebooted, %d to reboot", len(done), len(left))
	if len(done) > 0 {
		v.is += " (" + strings.Join(done, ", ") + " rebooted)"
	}
	for _, reader := range left {
		v.do = append(v.do, change{key: "reboot-" + reader, what: "reboot the reader " + reader, settle: rebootSettle,
			act: func(ctx context.Context) error { return s.reboot(ctx, reader, joined) }})
	}
	return v
}

// Names in the state file. Both times are AWS's, and are compared with AWS's:
// this host's clock may be another one.
func newestBefore(cluster string) string { return "newest/" + cluster } // when the newest instance was made that was there at the join

func eventsUntil(reader string) string { return "events/" + reader } // the last event of before its reboot was asked for

// reboot asks for it, once. Where its events end is in the state file before it
// is sent: what comes after them tells of it, if the answer is lost.
func (s *readersStep) reboot(ctx context.Context, reader string, joined time.Time) error {
	events, err := awsapi.Events(ctx, s.rds.describeEvents, types.SourceTypeDbInstance, reader, eventsBack)
	if err != nil {
		return err
	}
	var last time.Time
	for _, e := range events {
		if at := aws.ToTime(e.Date); at.After(last) {
			last = at
		}
	}
	if err := s.state.did(eventsUntil(reader), last); err != nil {
		return err
	}
	if _, err := s.rds.rebootDBInstance(ctx, &rds.RebootDBInstanceInput{DBInstanceIdentifier: aws.String(reader)}); err != nil {
		return fmt.Errorf("rebooting %s: %w", reader, err)
	}
	return s.asked(reader, joined)
}

// asked notes that AWS took the request.
func (s *readersStep) asked(reader string, joined time.Time) error {
	if at, ok := s.state.Done["rebooted/"+reader]; ok && !at.Before(joined) {
		return nil
	}
	at := s.Now()
	if at.Before(joined) { // a clock may have been set back
		at = joined
	}
	return s.state.did("rebooted/"+reader, at)
}

// restarted reports how far a reader's reboot is: AWS took the request, and the
// instance has restarted since. Where an answer was lost, its events know.
func (s *readersStep) restarted(ctx context.Context, reader string, joined time.Time) (asked, restarted bool, err error) {
	if at, ok := s.state.Done["restarted/"+reader]; ok && !at.Before(joined) {
		return true, true, nil
	}
	at, asked := s.state.Done["rebooted/"+reader]
	asked = asked && !at.Before(joined)
	last, sent := s.state.Done[eventsUntil(reader)]
	if !sent {
		return asked, asked, nil
	}
	events, err := awsapi.Events(ctx, s.rds.describeEvents, types.SourceTypeDbInstance, reader, eventsBack)
	if err != nil {
		return asked, false, err
	}
	restarted = asked && s.Now().Sub(at).Abs() >= restartBudget
	taken := restarted
	for _, e := range events {
		if !aws.ToTime(e.Date).After(last) {
			continue
		}
		// RDS-EVENT-0004 and 0006, "DB instance shutdown" and "DB instance restarted":
		// the API gives no id of the event, only its text.
		text := strings.ToLower(aws.ToString(e.Message))
		restarted = restarted || strings.Contains(text, "restarted")
		// Any other event about its availability may tell of our request in words that
		// are not known here. Then it is not sent again: if the reader did not restart,
		// the step database-users names it.
		taken = taken || restarted || strings.Contains(text, "shutdown") || slices.Contains(e.EventCategories, "availability")
	}
	if taken {
		err = s.asked(reader, joined)
	}
	if restarted && err == nil {
		delete(s.state.Done, eventsUntil(reader))
		err = s.state.did("restarted/"+reader, s.state.Done["rebooted/"+reader])
	}
	return asked || taken, restarted, err
}

func restarting(id, status string) *Wait {
	return &Wait{For: fmt.Sprintf("the instance %s to become available (it is %s)", id, plain(status)), Usual: "1 to 5 minutes",
		Every: 15 * time.Second, Budget: 30 * time.Minute}
}

func (s *readersStep) needs() []permission {
	return []permission{watch("rds:DescribeDBClusters", "*"), watch("rds:DescribeDBInstances", "*"), watch("rds:DescribeEvents", "*"),
		act("rds:RebootDBInstance", "*")}
}
