// Command go_spiffe is go-spiffe as others use it: a workload at a sandbox's socket, a trust domain that fetches our
// bundle, and one that serves its own. It prints JSON, a line for each thing that happens, and ends with 1 and the
// library's own words where go-spiffe refuses.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// commands by name. Workloads find their socket by SPIFFE_ENDPOINT_SOCKET alone.
var commands = map[string]func(context.Context, []string) error{
	"contexts": contexts, // told of each new X.509 context, for ever
	"jwt":      jwt,      // AUDIENCE: fetches a JWT-SVID and verifies it by the bundles it is told
	"validate": validate, // AUDIENCE TOKEN: has the runner validate it
	"wit":      wit,      // asks for what nobody here makes
	"serve":    serve,    // SPIFFE_ID: greets this peer by mTLS
	"call":     call,     // ADDRESS SPIFFE_ID: calls it
	"fetch":    fetch,    // TRUST_DOMAIN URL (web CA_FILE | spiffe ENDPOINT_ID BUNDLE_FILE)
	"foreign":  foreign,  // TRUST_DOMAIN AUDIENCE (web CERTIFICATE_FILE | spiffe): serves a bundle, changed at each line
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "no such command")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](context.Background(), os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func say(what any) error {
	return json.NewEncoder(os.Stdout).Encode(what)
}
