package server

import (
	"html/template"
	"net/http"

	"github.com/swaggest/swgui"
	swagger "github.com/swaggest/swgui/v5emb"

	"github.com/farebox/farebox/api"
)

func openAPI(*call) (*reply, error) {
	return &reply{status: http.StatusOK, contentType: "application/yaml", body: api.Document}, nil
}

// docsPolicy keeps the page to what this server has: whatever the page's scripts may come to ask for, a browser fetches
// nothing from elsewhere and sends nothing there, a pasted token least of all.
const docsPolicy = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsStyle makes the words of the document read well: the page's own style is made for lists of calls.
const docsStyle = template.HTML(`<style>
	.swagger-ui .info { margin: 30px 0 20px; }
	.swagger-ui .info .renderedMarkdown { max-width: 64em; }
	.swagger-ui .info .renderedMarkdown p, .swagger-ui .info .renderedMarkdown li { line-height: 1.5; }
	.swagger-ui .info .renderedMarkdown table { width: auto; }
	.swagger-ui .renderedMarkdown table tbody tr td { padding: 4px 24px 4px 0; }
	.swagger-ui .renderedMarkdown code { color: #3b4151; background: rgba(0,0,0,.06); font-weight: 400; padding: 1px 4px; }
	.swagger-ui .renderedMarkdown pre { overflow-x: auto; }
	.swagger-ui .renderedMarkdown pre > code { display: block; padding: 10px 12px; line-height: 1.5; }
	.swagger-ui .response-col_links { display: none; }
</style>`)

// docs is the browsable page of openapi.yaml, with all that it needs.
func docs() http.Handler {
	page := swagger.NewHandlerWithConfig(swgui.Config{
		Title: "Farebox API", SwaggerJSON: "/openapi.yaml", BasePath: "/docs/", AppendHead: docsStyle,
		SettingsUI: map[string]string{
			"docExpansion":             `"list"`,
			"defaultModelsExpandDepth": "0", // the schemas are there, folded
			"displayRequestDuration":   "true",
			"showExtensions":           "false",
		},
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		page.ServeHTTP(w, r)
	})
}
