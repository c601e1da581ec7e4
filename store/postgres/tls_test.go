package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/farebox/farebox/test/cluster"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, file: filepath.Join(t.TempDir(), name+".pem")}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	der, a.key = a.sign(about, about, nil)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func (a *authority) sign(about, parent *x509.Certificate, by *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, about, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// issue writes a certificate for a host and its key.
func (a *authority) issue(host, certFile, keyFile string) {
	about := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, key := a.sign(about, a.cert, a.key)
	writePEM(a.t, certFile, "CERTIFICATE", der)
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, keyFile, "PRIVATE KEY", text)
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// With sslmode=verify-full a store speaks to who has a certificate for this name from this authority, and says to people why not to others.
func TestVerifiesWhoAnswers(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	c := cluster.Listening(t, "fsync = off")
	dir := c.Folder(t, "tls")
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	ours.issue("localhost", cert, key)
	c.Give(t, cert)
	c.Give(t, key)
	for _, set := range []string{"ssl_cert_file = '" + cert + "'", "ssl_key_file = '" + key + "'", "ssl = on"} {
		c.Exec(t, "ALTER SYSTEM SET "+set)
	}
	c.Exec(t, "SELECT pg_reload_conf()")
	u, err := url.Parse(c.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	secure := func(host string, root *authority) string {
		u.Host = host + ":" + u.Port()
		u.RawQuery = "sslmode=verify-full&sslrootcert=" + url.QueryEscape(root.file)
		return u.String()
	}
	s := open(t, secure("localhost", ours), Options{})
	defer s.Close()
	world(t, s)
	if err := charge(s, "secure"); err != nil {
		t.Fatal(err)
	}
	onlyCharged(t, s, map[string]bool{"secure": true})
	var encrypted bool
	if err := s.reads.QueryRow(ctx, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted); err != nil || !encrypted {
		t.Errorf("the connection is not encrypted: %v", err)
	}
	for url, want := range map[string]string{
		secure("127.0.0.1", ours):   "is not for 127.0.0.1",
		secure("localhost", theirs): "sslrootcert",
	} {
		other, err := Open(url, Options{})
		if err == nil {
			t.Errorf("%s was opened: %v", url, other.Close())
		} else if text := err.Error(); !strings.Contains(text, want) || !strings.Contains(text, "certificate") || strings.Contains(text, "is it running") {
			t.Errorf("%s", text)
		}
	}
}
