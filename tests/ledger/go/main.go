// Reads a ledger of ours with the Go team's own packages: sumdb/note for the
// checkpoint, sumdb/tlog for tiles, roots and proofs.  Proofs come as JSON on stdin.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func require(ok bool, what string) {
	if !ok {
		must(fmt.Errorf("%s", what))
	}
}

func hash(text string) (h tlog.Hash) {
	data, err := base64.StdEncoding.DecodeString(text)
	must(err)
	require(len(data) == tlog.HashSize, "a hash has another length")
	copy(h[:], data)
	return h
}

func hashes(texts []string) (out []tlog.Hash) {
	for _, text := range texts {
		out = append(out, hash(text))
	}
	return out
}

// name is the path of a tile on this disk: tlog's own, without its tile height.
func name(t tlog.Tile) string {
	return strings.Replace(t.Path(), "tile/8/", "tile/", 1)
}

type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) (out []tlog.Hash, err error) {
	for _, index := range indexes {
		out = append(out, m[index])
	}
	return out, nil
}

func main() {
	ledger := os.Args[1]
	verifier, err := note.NewVerifier(os.Args[2])
	must(err)
	data, err := os.ReadFile(filepath.Join(ledger, "checkpoint"))
	must(err)
	opened, err := note.Open(data, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root := hash(lines[2])

	// Every entry, from the bundles, into a tree of tlog's own making.
	var stored memory
	var leaves []tlog.Hash
	for n := int64(0); n*256 < size; n++ {
		width := min(256, size-n*256)
		tile := tlog.Tile{H: 8, L: -1, N: n, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		bundle, err := os.ReadFile(filepath.Join(ledger, path))
		must(err)
		for len(bundle) > 0 {
			length := int(bundle[0])<<8 | int(bundle[1])
			entry := bundle[2 : 2+length]
			bundle = bundle[2+length:]
			more, err := tlog.StoredHashes(int64(len(leaves)), entry, stored)
			must(err)
			stored = append(stored, more...)
			leaves = append(leaves, tlog.RecordHash(entry))
		}
	}
	require(int64(len(leaves)) == size, "the bundles hold another number of entries")
	found, err := tlog.TreeHash(size, stored)
	must(err)
	require(found == root, "the entries lead to another root")

	// Every tile that a tree of this size has.
	for _, tile := range tlog.NewTiles(8, 0, size) {
		want, err := tlog.ReadTileData(tile, stored)
		must(err)
		have, err := os.ReadFile(filepath.Join(ledger, name(tile)))
		must(err)
		require(bytes.Equal(want, have), "another tile: "+name(tile))
	}

	var proofs struct {
		Receipts []struct {
			Index  int64
			Hashes []string
		}
		Growth []struct {
			Old    int64
			Root   string
			Hashes []string
		}
	}
	must(json.NewDecoder(os.Stdin).Decode(&proofs))
	for _, p := range proofs.Receipts {
		must(tlog.CheckRecord(hashes(p.Hashes), size, root, p.Index, leaves[p.Index]))
	}
	for _, p := range proofs.Growth {
		must(tlog.CheckTree(hashes(p.Hashes), size, root, p.Old, hash(p.Root)))
	}
	fmt.Println(lines[0], size, "ok")
}
