// Nethttp is a program that gets a JSON document with net/http and encoding/json.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	resp, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var document any
	fmt.Println(json.NewDecoder(resp.Body).Decode(&document), document)
}
