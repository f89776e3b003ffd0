//go:build !race

package lint

const underRace = false
