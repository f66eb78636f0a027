package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// entry is a file or folder to be packed.
type entry struct {
	name string // in the archive
	path string // on the disk
	dir  bool
	mode int64
	size int64
}

// entries lists a folder and all below it, by name. Modes are those of programs
// and of other files, whatever the umask was.
func entries(folder string) (list []entry, err error) {
	folder = filepath.Clean(folder)
	err = filepath.WalkDir(folder, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		below, err := filepath.Rel(folder, p)
		if err != nil {
			return err
		}
		e := entry{name: path.Join(filepath.Base(folder), filepath.ToSlash(below)), path: p, dir: d.IsDir(), mode: 0o644, size: info.Size()}
		if d.IsDir() || info.Mode()&0o100 != 0 {
			e.mode = 0o755
		}
		list = append(list, e)
		return nil
	})
	return list, err
}

func packTar(out io.Writer, folder string, at time.Time) error {
	list, err := entries(folder)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(out)
	w := tar.NewWriter(z)
	for _, e := range list {
		h := &tar.Header{Name: e.name, Mode: e.mode, Size: e.size, ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if e.dir {
			h.Name, h.Size, h.Typeflag = e.name+"/", 0, tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if err := e.copy(w); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), z.Close())
}

func packZip(out io.Writer, folder string, at time.Time) error {
	list, err := entries(folder)
	if err != nil {
		return err
	}
	w := zip.NewWriter(out)
	for _, e := range list {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at}
		if h.SetMode(fs.FileMode(e.mode)); e.dir {
			h.Name, h.Method = e.name+"/", zip.Store
			h.SetMode(fs.ModeDir | fs.FileMode(e.mode))
		}
		file, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if err := e.copy(file); err != nil {
			return err
		}
	}
	return w.Close()
}

func (e entry) copy(w io.Writer) error {
	if e.dir {
		return nil
	}
	f, err := os.Open(e.path)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}
