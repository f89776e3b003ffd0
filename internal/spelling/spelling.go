// Package spelling finds the word that somebody probably meant to type.
package spelling

import "strings"

// maxWord is the longest word that is compared letter by letter.
const maxWord = 64

// Nearest returns the word that s was probably meant to be, or "" where none is near.
func Nearest(s string, words []string) string {
	s = strings.ToLower(s)
	most, best := 2, "" // two slips of the finger
	for _, w := range words {
		if d := Distance(s, w, most); d <= most && d < len(w) {
			best, most = w, d-1
		}
	}
	return best
}

// Distance counts the letters that were left out, added, changed or swapped with
// the next one between two words; more than most is most+1.
func Distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most || len(a) > maxWord || len(b) > maxWord {
		return most + 1
	}
	var rows [3][maxWord + 1]int
	before, above, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return min(above[len(b)], most+1)
}
