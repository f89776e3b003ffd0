package metrics

import (
	"cmp"
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// histogram counts durations in seconds, in classic and in native buckets. There
// is one for each target and stage, so it is as small as can be: the client
// library's takes some kilobytes.
type histogram struct {
	count   uint64
	sum     float64
	classic [6]uint64 // counts for bounds(), each without the observations of the lower ones
	zero    uint64    // count of observations of at most zeroWidth
	native  []cell    // the native buckets, sorted by index
}

// cell is one native bucket: from above 2^((index-1)/8) up to 2^(index/8) seconds.
type cell struct {
	index int32
	n     uint32
}

// bounds are the ends of the classic buckets. They are few, since each costs a
// series for every target and stage: within a rack, within a region, between
// regions, slow, clients begin to retry (MIT's library after 1 s), and the
// default timeout, beyond which is nothing but what timed out.
func bounds() [6]float64 { return [6]float64{0.002, 0.01, 0.05, 0.2, 1, 5} }

// The native buckets. They need no limit: of all that a time.Duration can hold
// they are less than 520, and from 1 ms to 10 s 107.
const (
	nativeSchema = 3                     // 2^3 to a power of two: each ends 9 % above the one before
	zeroWidth    = 2.938735877055719e-39 // 2^-128, the client library's own
)

func (h *histogram) observe(seconds float64) {
	h.count++
	h.sum += seconds
	for i, end := range bounds() {
		if seconds <= end {
			h.classic[i]++
			break
		}
	}
	if seconds <= zeroWidth {
		h.zero++
		return
	}
	index := int32(math.Ceil(math.Log2(seconds) * (1 << nativeSchema)))
	at, found := slices.BinarySearchFunc(h.native, index, func(c cell, index int32) int { return cmp.Compare(c.index, index) })
	if !found {
		h.native = slices.Insert(h.native, at, cell{index: index})
	}
	h.native[at].n++
}

// metric returns it in the client library's terms.
func (h *histogram) metric() *dto.Histogram {
	out := &dto.Histogram{SampleCount: new(h.count), SampleSum: new(h.sum), Schema: new(int32(nativeSchema)),
		ZeroThreshold: new(float64(zeroWidth)), ZeroCount: new(h.zero), Bucket: make([]*dto.Bucket, 0, len(h.classic))}
	var below uint64
	for i, end := range bounds() {
		below += h.classic[i]
		out.Bucket = append(out.Bucket, &dto.Bucket{CumulativeCount: new(below), UpperBound: new(end)})
	}
	var span *dto.BucketSpan
	var last int64
	add := func(n int64) {
		*span.Length++
		out.PositiveDelta = append(out.PositiveDelta, n-last)
		last = n
	}
	next := int32(0)
	for _, c := range h.native {
		gap := c.index - next
		if span == nil || gap > 2 { // a small gap takes less as empty buckets
			span = &dto.BucketSpan{Offset: new(gap), Length: new(uint32(0))}
			out.PositiveSpan = append(out.PositiveSpan, span)
		} else {
			for range gap {
				add(0)
			}
		}
		add(int64(c.n))
		next = c.index + 1
	}
	return out
}
