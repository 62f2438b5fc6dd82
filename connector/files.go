package connector

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrNoConnection is part of every error of [Files] that came before anything
// was asked of the place: nothing was done there.
var ErrNoConnection = errors.New("no connection")

// FileInfo is a file as a listing shows it.
type FileInfo struct {
	Name     string // without its folder
	Size     int64
	Modified time.Time // by the clock of the machine it lies on
}

// Files is a place where files are exchanged with a system: a folder or an
// SFTP server. Names are relative to it, with / between folders, and never
// leave it. Errors satisfy errors.Is with fs.ErrNotExist and fs.ErrExist. A
// refused credential or an unknown host key is a [*Rejection] with status 401.
// Where no connection could be had, so that nothing was done, the error
// satisfies errors.Is with [ErrNoConnection]; with any other error of a
// changing call the change may have happened.
type Files interface {
	// List hands out the regular files of a folder, in no order. An error of
	// each ends it and is returned.
	List(ctx context.Context, folder string, each func(FileInfo) error) error
	// Stat describes one file.
	Stat(ctx context.Context, name string) (FileInfo, error)
	// Open reads a file from its beginning.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Write makes a file, in place of one that is there. It is complete and
	// durable when Write returns; after an error there may be a part of it.
	// Folders on the way to it are made.
	Write(ctx context.Context, name string, content io.Reader) error
	// Rename moves a file within the place in one step, so that it is under
	// one name or the other and never half under either. Where a file has the
	// new name already it answers fs.ErrExist; two callers who give one new
	// name to two files at the same time must agree among themselves. The
	// folder of the new name is made.
	Rename(ctx context.Context, from, to string) error
	// Remove deletes a file; one that is not there is no error.
	Remove(ctx context.Context, name string) error
}

// Drop is a folder that is watched for files of one sort.
type Drop struct {
	Name    string // unique in the system, like "orders"
	Folder  string // where the system puts them
	Pattern string // as path.Match has it: "ORD*.csv"
	// Every is the time between two looks at the folder.
	Every time.Duration
	// Stable is how long size and time of a file must stay as they are before
	// it is taken. Not used where there is a Companion.
	Stable time.Duration
	// Companion is the name of a second file that says the first is complete,
	// with {name} for its name and {stem} for its name without the ending:
	// "{stem}.done". It is handed to Read and travels with the file. Empty:
	// there is none.
	Companion string
	// Work, Done and Rejected are the folders for files that are being read,
	// that were taken and that were not.
	Work, Done, Rejected string
	// FileMax is the size above which a file is rejected, in bytes.
	FileMax int64
	// Whole: one message of a file that can't be understood rejects all of it.
	// Otherwise that message alone is quarantined.
	Whole bool
	// Same says which files are one and the same.
	Same Sameness
}

// Sameness says when a file repeats one that was taken before.
type Sameness string

// What makes two files the same.
const (
	// SameNameAndContent: equal names and equal bytes. Sent again under
	// another name it is a new file.
	SameNameAndContent Sameness = "name_and_content"
	// SameContent: equal bytes, whatever the name.
	SameContent Sameness = "content"
	// SameName: equal names. The same name with other bytes is rejected.
	SameName Sameness = "name"
	// SameMessage: files don't matter; a message is the same as an earlier one
	// by its [Part] ID, which is unique in the system. The same ID with other
	// bytes is an exception, and nothing of it is taken.
	SameMessage Sameness = "message"
)

// DroppedFile is a file that is being read: its bytes no longer change.
type DroppedFile struct {
	Drop      string
	Name      string // as its sender wrote it
	Companion []byte // content of the companion; nil where there is none
	Content   io.Reader
}

// Part is a message of a file.
type Part struct {
	// ID is the message's own within the file; empty: its position is.
	ID    string
	Topic string // as Translate gets it
	Line  int    // of the file, from 1, on which it begins; 0: not lines
	Body  []byte // the receiver's to keep
}

// Collector says which files a system leaves for Waybill and which messages
// they hold.
type Collector interface {
	Files() Files
	Drops() []Drop
	// Read hands out the messages of a file in their order. It is pure: the
	// same file gives the same messages. What it keeps in memory does not grow
	// with the file. An [*Untranslatable] rejects the file whole, whatever was
	// handed out before; the caller reads a file to its end before it believes
	// any of it. An error of each ends it and is returned.
	Read(f DroppedFile, each func(Part) error) error
}

// Batcher gathers documents and sends many as one: files by time or number.
type Batcher interface {
	// Flush sends what is due and says when to be called again. It repeats
	// harmlessly after a crash at any point.
	Flush(ctx context.Context) (next time.Time, err error)
}
