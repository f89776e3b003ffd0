//go:build race

package lint

// underRace: the race detector makes these texts take ten times as long.
const underRace = true
