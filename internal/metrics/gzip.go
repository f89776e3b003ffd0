package metrics

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
)

// compressed returns a page as gzip. Without a state between writes the compressor keeps no tables; those of
// compress/gzip have more than a megabyte, a third of all that the daemon keeps.
func compressed(page []byte) bytes.Buffer {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.StatelessCompression) // the level is one that there is
	_, _ = w.Write(page)                                       // a buffer takes all
	_ = w.Close()
	return b
}
