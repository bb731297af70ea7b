package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// signing is an authority of X.509-SVIDs.
type signing struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// A foreign trust domain, with one authority and one key that sign at a time.
type domain struct {
	lock     sync.Mutex
	name     spiffeid.TrustDomain
	bundle   *spiffebundle.Bundle
	endpoint signing
	signer   signing
	key      *ecdsa.PrivateKey
	kid      string
	changes  uint64
}

// change makes another authority and another key, which sign from now on and are in the bundle beside the others.
func (d *domain) change() error {
	d.lock.Lock()
	defer d.lock.Unlock()
	d.changes++
	signer, err := newKey()
	if err != nil {
		return err
	}
	made := template(d.name.ID(), d.changes)
	made.IsCA, made.KeyUsage = true, x509.KeyUsageCertSign
	made.Subject = pkix.Name{CommonName: fmt.Sprintf("foreign %d", d.changes)}
	authority, err := certify(made, made, signer.Public(), signer)
	if err != nil {
		return err
	}
	if d.key, err = newKey(); err != nil {
		return err
	}
	before := d.signer
	d.signer, d.kid = signing{authority, signer}, fmt.Sprintf("k%d", d.changes)
	if d.endpoint = before; before.certificate == nil {
		d.endpoint = d.signer
	}
	d.bundle.AddX509Authority(authority)
	d.bundle.SetSequenceNumber(d.changes)
	return d.bundle.AddJWTAuthority(d.kid, d.key.Public())
}

// GetX509SVID is that of the bundle endpoint, by the authority that peers had before the last change.
func (d *domain) GetX509SVID() (*x509svid.SVID, error) {
	id, err := spiffeid.FromPath(d.name, "/endpoint")
	if err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	made := template(id, 1000+d.changes)
	made.KeyUsage = x509.KeyUsageDigitalSignature
	made.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leaf, err := certify(made, d.endpoint.certificate, key.Public(), d.endpoint.key)
	if err != nil {
		return nil, err
	}
	return &x509svid.SVID{ID: id, Certificates: []*x509.Certificate{leaf}, PrivateKey: key}, nil
}

// token is a JWT-SVID of one of its workloads.
func (d *domain) token(audience string) (string, error) {
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: d.key, KeyID: d.kid}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	claims := josejwt.Claims{
		Subject: d.name.IDString() + "/workload", Audience: josejwt.Audience{audience},
		IssuedAt: josejwt.NewNumericDate(now), Expiry: josejwt.NewNumericDate(now.Add(time.Minute)),
	}
	return josejwt.Signed(signer).Claims(claims).Serialize()
}

// said is where the bundle is, the bundle, and a JWT-SVID that is good by it.
func (d *domain) said(address net.Addr, audience string) error {
	document, err := d.bundle.Marshal()
	if err != nil {
		return err
	}
	token, err := d.token(audience)
	if err != nil {
		return err
	}
	return say(struct {
		Address  string          `json:"address"`
		Document json.RawMessage `json:"document"`
		Token    string          `json:"token"`
	}{address.String(), document, token})
}

func foreign(_ context.Context, a []string) error {
	name, err := spiffeid.TrustDomainFromString(a[0])
	if err != nil {
		return err
	}
	d := &domain{name: name, bundle: spiffebundle.New(name)}
	d.bundle.SetRefreshHint(5 * time.Second)
	if err := d.change(); err != nil {
		return err
	}
	proof, err := d.proof(a[2:])
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", proof)
	if err != nil {
		return err
	}
	handler, err := federation.NewHandler(name, d.bundle)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, handler) }()
	lines := bufio.NewScanner(os.Stdin)
	for err = d.said(listener.Addr(), a[1]); err == nil && lines.Scan(); err = d.said(listener.Addr(), a[1]) {
		if err := d.change(); err != nil {
			return err
		}
	}
	return err
}

// proof is the server's: a certificate that it is given, or an SVID of its own.
func (d *domain) proof(a []string) (*tls.Config, error) {
	if a[0] == "spiffe" {
		return tlsconfig.TLSServerConfig(d), nil
	}
	certificate, err := tls.LoadX509KeyPair(a[1], a[1])
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, err
}

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func template(id spiffeid.ID, serial uint64) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(serial), URIs: []*url.URL{id.URL()},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour), BasicConstraintsValid: true,
	}
}

func certify(made, authority *x509.Certificate, of crypto.PublicKey, by crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, made, authority, of, by)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
