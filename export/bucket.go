package export

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob" // s3://
	"gocloud.dev/gcerrors"
)

// Bucket is a folder or an object store, where files are written whole or not at all.
type Bucket struct {
	blobs  *blob.Bucket
	folder string // empty: an object store
}

// OpenBucket opens a target such as file:///var/lib/farebox/usage or s3://bucket/folder?region=eu-central-1. A folder is made if it
// is not there. Credentials are found as every tool of the object store finds them: in the environment, in files, by role.
func OpenBucket(ctx context.Context, target string) (*Bucket, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, errors.New("the target is not a URL; write file:///FOLDER or s3://BUCKET?region=REGION") // which err would repeat, with secrets
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || u.Path == "" || u.RawQuery != "" {
			return nil, fmt.Errorf("%s: a folder is written as file:///FOLDER, with three slashes", Name(u))
		}
		return OpenFolder(filepath.FromSlash(u.Path))
	case "s3":
		return openS3(ctx, u)
	}
	return nil, fmt.Errorf("%s: there is no export to %q; write file:///FOLDER or s3://BUCKET?region=REGION", Name(u), u.Scheme)
}

// OpenFolder opens a folder, and makes it if it is not there.
func OpenFolder(folder string) (*Bucket, error) {
	blobs, err := fileblob.OpenBucket(folder, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o755, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, err
	}
	return &Bucket{blobs, folder}, nil
}

func openS3(ctx context.Context, u *url.URL) (*Bucket, error) {
	bare := *u
	bare.Path, bare.User = "", nil
	blobs, err := blob.OpenBucket(ctx, bare.String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name(u), err)
	}
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		blobs = blob.PrefixedBucket(blobs, prefix+"/")
	}
	return &Bucket{blobs: blobs}, nil
}

// Put writes a file, over one that has its name. It is there for good when Put returns nil.
func (b *Bucket) Put(ctx context.Context, name string, data []byte, contentType string) error {
	if err := b.blobs.WriteAll(ctx, name, data, &blob.WriterOptions{ContentType: contentType}); err != nil || b.folder == "" {
		return err
	}
	file := filepath.Join(b.folder, filepath.FromSlash(name))
	for _, each := range []string{file, filepath.Dir(file), b.folder} {
		if err := sync(each); err != nil {
			return err
		}
	}
	return nil
}

// sync makes a file, or what a folder has, survive a power cut.
func sync(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Get reads a file; nil when there is none.
func (b *Bucket) Get(ctx context.Context, name string) ([]byte, error) {
	data, err := b.blobs.ReadAll(ctx, name)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, nil
	}
	return data, err
}

// Close ends the use of the bucket.
func (b *Bucket) Close() error { return b.blobs.Close() }

// Name names a target in logs, metrics and the books: its URL without what may be secret, the user and the query.
func Name(u *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return bare.String()
}
