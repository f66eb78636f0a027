package cli

import "fmt"

// Count writes a number of things as people do: "1 gap", "2 gaps".
func Count[N int | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
