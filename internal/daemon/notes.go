package daemon

import (
	"fmt"
	"sync"
)

// note is something that the daemon has to say beside the results.
type note string

// The notes, as they begin.
const (
	noteConfig   note = "the configuration was changed and cannot be used, the old one stays"
	noteResolver note = "this host's DNS servers are not known"
	noteRecord   note = "failures are not recorded on disk"
	noteKrb5Conf note = "the krb5.conf cannot be kept"
)

// notes is what there is to say now.
type notes struct {
	mu   sync.Mutex
	of   map[note]error
	krb5 string // of the keeper, where nothing is wrong
}

// set reports why a note stands; nil where it does not.
func (n *notes) set(what note, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		n.of = map[note]error{}
	}
	n.of[what] = why
	if what == noteKrb5Conf {
		n.krb5 = ""
	}
}

// krb5Conf says how the krb5.conf stands; both may be empty.
func (n *notes) krb5Conf(text string, err error) {
	n.set(noteKrb5Conf, err)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		n.krb5 = text
	}
}

// all returns the notes, one line each.
func (n *notes) all() (out []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, what := range []note{noteConfig, noteResolver, noteRecord, noteKrb5Conf} {
		if err := n.of[what]; err != nil {
			out = append(out, fmt.Sprintf("%s: %v", what, err))
		}
	}
	if n.krb5 != "" {
		out = append(out, n.krb5)
	}
	return out
}
