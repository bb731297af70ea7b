package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// fetch is a federation client: it prints the bundle as go-spiffe would serve it on.
func fetch(ctx context.Context, a []string) error {
	domain, err := spiffeid.TrustDomainFromString(a[0])
	if err != nil {
		return err
	}
	proof, err := proofOf(domain, a[2], a[3:])
	if err != nil {
		return err
	}
	bundle, err := federation.FetchBundle(ctx, domain, a[1], proof)
	if err != nil {
		return err
	}
	document, err := bundle.Marshal()
	if err != nil {
		return err
	}
	return say(json.RawMessage(document))
}

func proofOf(domain spiffeid.TrustDomain, profile string, a []string) (federation.FetchOption, error) {
	if profile == "web" {
		pem, err := os.ReadFile(a[0])
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("no certificate in it")
		}
		return federation.WithWebPKIRoots(roots), nil
	}
	id, err := spiffeid.FromString(a[0])
	if err != nil {
		return nil, err
	}
	bundle, err := spiffebundle.Load(domain, a[1])
	if err != nil {
		return nil, err
	}
	return federation.WithSPIFFEAuth(bundle, id), nil
}
