// Package awsview reads what AWS reports of the databases' clusters: membership in
// the directory, reboots that are pending, the directory and its domain controllers,
// and whether security groups admit this host. It changes nothing at AWS, is never in
// the way of a probe, and says nothing that a packet has not to prove.
//
// What AWS answers is bounded before it is kept.
package awsview

import (
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// View is what AWS reported in one Region.
type View struct {
	Region      string
	Read        time.Time // by this host's clock
	Refused     string    `json:",omitempty"` // why nothing was read
	Next        string    `json:",omitempty"` // what to do about that
	Notes       []string  `json:",omitempty"` // what was not read, and why
	Partial     bool      `json:",omitempty"` // another reading may see more
	Clusters    []Cluster
	Directories []Directory
}

// Cluster is a database's cluster.
type Cluster struct {
	Database   string // its name in the configuration
	ID, Status string
	Directory  string // it is joined to; empty: to none
	Membership string // AWS's word for the state of that
	Joined     time.Time
	Events     bool // its instances' events were read
	Instances  []Instance
	Way        Way
}

// Instance is one instance of a cluster.
type Instance struct {
	ID, Status         string
	Writer             bool
	Created, Restarted time.Time
	Membership         string   // its own, where AWS reports one that is not the cluster's
	Pending            []string `json:",omitempty"`
}

// Directory is one that a cluster is joined to, or that serves a configured realm.
type Directory struct {
	ID, Name, Realm string
	Stage, Reason   string
	Shared          bool // its controllers are its owner's to see
	Controllers     []Controller
	Way             Way
}

// Controller is a domain controller.
type Controller struct {
	Address netip.Addr
	Status  string
}

// Way is whether security groups admit this host to something.
type Way struct {
	State  string     // one of probe's Way values; empty: nothing was asked
	From   netip.Addr // this host's address
	Groups []string
	Lacks  []string `json:",omitempty"` // "tcp 3306"
	Why    string   `json:",omitempty"` // why nothing can be told
}

// Bounds of what is kept of an answer.
const (
	maxText      = 200
	maxNotes     = 12
	maxInstances = 30 // of a cluster: AWS has 16 at most
	maxMembers   = 30 // domain controllers: AWS has 20 at most
	maxGroups    = 16
	maxDatabases = 100
	maxRegions   = 8
)

// bounded returns a text of AWS's in one line of at most maxText runes.
func bounded(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		if n++; n > maxText {
			return -1
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s[:min(len(s), 4*maxText)])
}

// note keeps what was not read, each once.
func (v *View) note(text string) {
	text = bounded(text)
	for _, n := range v.Notes {
		if n == text {
			return
		}
	}
	switch {
	case len(v.Notes) < maxNotes:
		v.Notes = append(v.Notes, text)
	case len(v.Notes) == maxNotes:
		v.Notes = append(v.Notes, "more that is not listed")
	}
}
