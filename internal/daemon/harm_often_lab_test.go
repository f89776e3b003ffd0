//go:build lab && soak

package daemon

// harmProbes is how often TestHarm asks the database for each user.
const harmProbes = 1000
