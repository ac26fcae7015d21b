// A Go guest: goroutines, channels, maps, sorting, JSON, hashing, files.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
)

type report struct {
	Words  int            `json:"words"`
	Counts map[string]int `json:"counts"`
	Hash   string         `json:"hash"`
	Sum    int            `json:"sum"`
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: words IN OUT")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	words := strings.Fields(strings.ToLower(string(text)))
	counts := map[string]int{}
	for _, w := range words {
		counts[w]++
	}
	var group sync.WaitGroup
	results := make(chan int, 8)
	for part := 0; part < 8; part++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			sum := 0
			for i := 0; i < 1_000_000; i++ {
				sum += (i * (n + 1)) % 7
			}
			results <- sum
		}(part)
	}
	group.Wait()
	close(results)
	total := 0
	for sum := range results {
		total += sum
	}
	defer func() {
		recovered := recover()
		fmt.Println("recovered:", recovered)
		out, _ := json.Marshal(report{len(words), counts, fmt.Sprintf("%x", sha256.Sum256(text)), total})
		if err := os.WriteFile(os.Args[2], append(out, '\n'), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		keys := make([]string, 0, len(counts))
		for k := range counts {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		fmt.Println(strings.Join(keys, " "))
	}()
	var none []int
	_ = none[len(words)]
}
