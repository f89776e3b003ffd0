package web

import "time"

// Limited is o with other limits of a connection.
func Limited(o ListenOptions, header, read, write, idle time.Duration) ListenOptions {
	o.limits = &limits{header: header, read: read, write: write, idle: idle}
	return o
}

// UsualLimits are those of a connection where nothing else is said.
func UsualLimits() []time.Duration {
	most := usual()
	return []time.Duration{most.header, most.read, most.write, most.idle}
}
