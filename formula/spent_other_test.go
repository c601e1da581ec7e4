//go:build !unix

package formula

import "time"

var began = time.Now()

func spent() time.Duration { return time.Since(began) }
