// Command viper reads its configuration from etcd, plain and encrypted, with
// viper's remote providers and the crypt library behind them.
//
//	viper http://127.0.0.1:2379
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	crypt "github.com/sagikazarmark/crypt/config"
	"github.com/spf13/viper"
	_ "github.com/spf13/viper/remote"
	"golang.org/x/crypto/openpgp"       //nolint:staticcheck // what crypt encrypts with
	"golang.org/x/crypto/openpgp/armor" //nolint:staticcheck // as above
	_ "golang.org/x/crypto/ripemd160"   //nolint:staticcheck // what openpgp takes for its default
)

const (
	plainKey  = "/config/plain.json"
	secretKey = "/config/secret.json"
	patience  = 30 * time.Second
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: viper ENDPOINT")
	}
	if err := errors.Join(plain(os.Args[1]), secret(os.Args[1])); err != nil {
		log.Fatal(err)
	}
}

// plain reads a configuration, reads it again after a change, and hears of one.
func plain(endpoint string) error {
	store, err := crypt.NewStandardEtcdConfigManager([]string{endpoint})
	if err != nil {
		return fmt.Errorf("config manager: %w", err)
	}
	v := viper.New()
	v.SetConfigType("json")
	if err = v.AddRemoteProvider("etcd", endpoint, plainKey); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	fmt.Println("before it is there:", v.ReadRemoteConfig())
	if err = store.Set(plainKey, []byte(`{"port": 8080, "hosts": ["a", "b"]}`)); err != nil {
		return fmt.Errorf("set: %w", err)
	}
	if err = v.ReadRemoteConfig(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	fmt.Println("read:", v.GetInt("port"), v.GetStringSlice("hosts"))
	if err = store.Set(plainKey, []byte(`{"port": 9090}`)); err != nil {
		return fmt.Errorf("set: %w", err)
	}
	if err = v.WatchRemoteConfig(); err != nil {
		return fmt.Errorf("read again: %w", err)
	}
	fmt.Println("read again:", v.GetInt("port"))

	list, err := store.List("/config")
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	for _, pair := range list {
		fmt.Printf("listed: %s %s\n", pair.Key, pair.Value)
	}
	return watch(store)
}

// watch prints a change. It makes the change again and again, because there is
// no telling when the watch has begun.
func watch(store crypt.ConfigManager) error {
	stop := make(chan bool)
	defer close(stop)
	changes := store.Watch(plainKey, stop)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for timeout := time.After(patience); ; {
		select {
		case change := <-changes:
			if change.Error != nil {
				return fmt.Errorf("watch: %w", change.Error)
			}
			fmt.Printf("watched: %s\n", change.Value)
			return nil
		case <-again.C:
			if err := store.Set(plainKey, []byte(`{"port": 7070}`)); err != nil {
				return fmt.Errorf("set: %w", err)
			}
		case <-timeout:
			return errors.New("the watch saw no change")
		}
	}
}

// secret reads a configuration that is encrypted in etcd.
func secret(endpoint string) error {
	entity, err := openpgp.NewEntity("viper", "", "viper@example.com", nil)
	if err != nil {
		return fmt.Errorf("new key: %w", err)
	}
	private, err := armored(openpgp.PrivateKeyType, func(w io.Writer) error { return entity.SerializePrivate(w, nil) })
	if err != nil {
		return err
	}
	public, err := armored(openpgp.PublicKeyType, entity.Serialize)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "viper")
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	keyring := filepath.Join(dir, "secring.gpg")
	if err = os.WriteFile(keyring, private, 0o600); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}

	store, err := crypt.NewEtcdConfigManager([]string{endpoint}, bytes.NewReader(public))
	if err != nil {
		return fmt.Errorf("config manager: %w", err)
	}
	if err = store.Set(secretKey, []byte(`{"password": "hush"}`)); err != nil {
		return fmt.Errorf("set: %w", err)
	}
	v := viper.New()
	v.SetConfigType("json")
	if err = v.AddSecureRemoteProvider("etcd", endpoint, secretKey, keyring); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	if err = v.ReadRemoteConfig(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	fmt.Println("decrypted:", v.GetString("password"))
	return nil
}

// armored returns a key as keyring files have it.
func armored(blockType string, write func(io.Writer) error) ([]byte, error) {
	var b bytes.Buffer
	w, err := armor.Encode(&b, blockType, nil)
	if err != nil {
		return nil, fmt.Errorf("armor: %w", err)
	}
	if err := errors.Join(write(w), w.Close()); err != nil {
		return nil, fmt.Errorf("armor: %w", err)
	}
	return b.Bytes(), nil
}
