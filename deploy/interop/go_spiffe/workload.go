package main

import (
	"context"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// held is what a workload was told.
type held struct {
	ID      string         `json:"id"`
	Serial  string         `json:"serial"`
	Domains map[string]int `json:"domains"`
	Failure string         `json:"failure,omitempty"`
}

type printing struct{}

func (printing) OnX509ContextUpdate(told *workloadapi.X509Context) {
	svid := told.DefaultSVID()
	one := held{ID: svid.ID.String(), Serial: svid.Certificates[0].SerialNumber.String(), Domains: map[string]int{}}
	for _, bundle := range told.Bundles.Bundles() {
		one.Domains[bundle.TrustDomain().Name()] = len(bundle.X509Authorities())
	}
	// What it was given must be good by what it is told to trust.
	if _, _, err := x509svid.Verify(svid.Certificates, told.Bundles); err != nil {
		one.Failure = err.Error()
	}
	_ = say(one)
}

func (printing) OnX509ContextWatchError(err error) {
	_ = say(held{Failure: err.Error()})
}

func contexts(ctx context.Context, _ []string) error {
	return workloadapi.WatchX509Context(ctx, printing{})
}

func jwt(ctx context.Context, a []string) error {
	svid, err := workloadapi.FetchJWTSVID(ctx, jwtsvid.Params{Audience: a[0]})
	if err != nil {
		return err
	}
	bundles, err := workloadapi.FetchJWTBundles(ctx)
	if err != nil {
		return err
	}
	token := svid.Marshal()
	verified, err := jwtsvid.ParseAndValidate(token, bundles, []string{a[0]})
	if err != nil {
		return err
	}
	return say(map[string]string{"id": verified.ID.String(), "token": token})
}

func validate(ctx context.Context, a []string) error {
	svid, err := workloadapi.ValidateJWTSVID(ctx, a[1], a[0])
	if err != nil {
		return err
	}
	return say(map[string]string{"id": svid.ID.String()})
}

func wit(ctx context.Context, _ []string) error {
	_, err := workloadapi.FetchWITSVID(ctx, "")
	return say(map[string]bool{"unimplemented": status.Code(err) == codes.Unimplemented})
}
