package tower

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed web
var webFiles embed.FS

// asset is one file, ready to be sent.
type asset struct {
	contentType string
	plain       []byte
	gzipped     []byte // nil where it would not be smaller
}

// assets are the embedded files under one name that changes when any of them
// does. They share it so that a style sheet can name the font beside it.
type assets struct {
	hash  string
	files map[string]asset
}

// mustAssets reads and packs the embedded files once. They are part of the
// binary, so a failure is a defect of the build.
func mustAssets() *assets {
	a := &assets{files: map[string]asset{}}
	sum := sha256.New()
	err := fs.WalkDir(webFiles, "web", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		ext := path.Ext(name)
		if ext != ".css" && ext != ".js" && ext != ".woff2" && ext != ".svg" {
			return nil // licences and locks are for readers of the source
		}
		body, err := webFiles.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(body))
		sum.Write(body)
		base := path.Base(name)
		if _, twice := a.files[base]; twice {
			return fmt.Errorf("two assets are called %s", base)
		}
		a.files[base] = pack(ext, body)
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("tower: read embedded assets: %v", err))
	}
	a.hash = hex.EncodeToString(sum.Sum(nil))[:12]
	return a
}

// types are written down because the machine's own table may differ.
var types = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".woff2": "font/woff2",
	".svg":   "image/svg+xml",
}

func pack(ext string, body []byte) asset {
	contentType := types[ext]
	if contentType == "" {
		contentType = mime.TypeByExtension(ext)
	}
	f := asset{contentType: contentType, plain: body}
	if packed := gzipBytes(body); len(packed) < len(body)*9/10 {
		f.gzipped = packed
	}
	return f
}

func gzipBytes(body []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = z.Write(body)                                  // a Buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// url is where an asset is served. An unknown name is a defect of a template.
func (a *assets) url(name string) (string, error) {
	if _, ok := a.files[name]; !ok {
		return "", fmt.Errorf("no asset is called %q", name)
	}
	return "/assets/" + a.hash + "/" + name, nil
}

// serve answers for the current name for ever, and for an old one not at all.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("name")]
	if !ok || r.PathValue("hash") != a.hash {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", f.contentType)
	body := f.plain
	if f.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			h.Set("Content-Encoding", "gzip")
			body = f.gzipped
		}
	}
	_, _ = w.Write(body) // a reader that left is no error of ours
}

// acceptsGzip reads the one coding that matters; browsers never send q=0 for it.
func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if name == "gzip" && strings.ReplaceAll(params, " ", "") != "q=0" {
			return true
		}
	}
	return false
}
