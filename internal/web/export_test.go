package web

import (
	"net"
	"time"
)

// Limited is o with other limits of a connection.
func Limited(o ListenOptions, header, read, write, idle time.Duration) ListenOptions {
	o.limits = usual()
	o.limits.header, o.limits.read, o.limits.write, o.limits.idle = header, read, write, idle
	o.limits.connections, o.limits.requests = 1000, 1000 // what is limited here is time
	return o
}

// LimitedAnswer is o with another limit of a whole answer.
func LimitedAnswer(o ListenOptions, answer time.Duration) ListenOptions {
	o.limits.answer = answer
	return o
}

// UsualLimits are those of a connection where nothing else is said.
func UsualLimits() []time.Duration {
	most := usual()
	return []time.Duration{most.header, most.read, most.write, most.idle, most.answer}
}

// ShortWait tries an address that is taken again at once.
func ShortWait(o ListenOptions) ListenOptions {
	o.limits = usual()
	o.limits.again = 10 * time.Millisecond
	return o
}

// NoteOf is the note on sockets that systemd hands over.
func (o ListenOptions) NoteOf(l ...net.Listener) string { return o.noteOf(l) }
