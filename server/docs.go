package server

import (
	"net/http"

	swagger "github.com/swaggest/swgui/v5emb"

	"github.com/farebox/farebox/api"
)

func openAPI(*call) (*reply, error) {
	return &reply{status: http.StatusOK, contentType: "application/yaml", body: api.Document}, nil
}

// docs is the browsable page of openapi.yaml, with all that it needs.
func docs() http.Handler { return swagger.New("Farebox", "/openapi.yaml", "/docs/") }
