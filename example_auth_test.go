package client_test

import (
	"context"
	"fmt"

	"github.com/coreos/etcd/client"
)

// Make a role that may read and write below /app, and a user that has it.
func ExampleAuthUserAPI() {
	server := newExampleServer()
	defer server.Close()

	c, err := client.New(client.Config{
		Endpoints: []string{server.URL},
		Username:  "root",
		Password:  "secret",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	roles, users := client.NewAuthRoleAPI(c), client.NewAuthUserAPI(c)
	ctx := context.Background()

	if err = roles.AddRole(ctx, "app"); err != nil {
		fmt.Println(err)
		return
	}
	role, err := roles.GrantRoleKV(ctx, "app", []string{"/app", "/app/*"}, client.ReadWritePermission)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(role.Role, "may write", role.Permissions.KV.Write)

	if err = users.AddUser(ctx, "alice", "another secret"); err != nil {
		fmt.Println(err)
		return
	}
	user, err := users.GrantUser(ctx, "alice", []string{"app"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(user.User, "has", user.Roles)

	_, err = users.GetUser(ctx, "bob")
	fmt.Println("bob is unknown:", client.IsUserNotFound(err))
	// Output:
	// app may write [/app /app/*]
	// alice has [app]
	// bob is unknown: true
}

// Switch authentication on. There must be a user named root, who alone may do
// anything from then on.
func ExampleAuthAPI() {
	server := newExampleServer()
	defer server.Close()

	c, err := client.New(client.Config{Endpoints: []string{server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err = client.NewAuthUserAPI(c).AddUser(ctx, "root", "secret"); err != nil {
		fmt.Println(err)
		return
	}
	if err = client.NewAuthAPI(c).Enable(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("enabled")
	// Output: enabled
}

// A role that is not there has an error of its own.
func ExampleIsRoleNotFound() {
	server := newExampleServer()
	defer server.Close()

	c, err := client.New(client.Config{Endpoints: []string{server.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.NewAuthRoleAPI(c).GetRole(context.Background(), "app")
	if client.IsRoleNotFound(err) {
		fmt.Println("there is no role app")
	}
	// Output: there is no role app
}
