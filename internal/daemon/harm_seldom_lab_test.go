//go:build lab && !soak

package daemon

// harmProbes is how often TestHarm asks the database for each user: often enough
// for several pauses. make soak asks more often.
const harmProbes = 200
