// Command reachable ends with 0 if a URL can be fetched within a few seconds.
package main

import (
	"net/http"
	"os"
	"time"
)

func main() {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(os.Args[1])
	if err != nil || response.StatusCode != http.StatusOK {
		os.Exit(1)
	}
}
