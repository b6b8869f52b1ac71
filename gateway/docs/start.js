/* global SwaggerUIBundle */
// Nothing is asked of another host: no validator badge, no preset from elsewhere.
SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', validatorUrl: null, deepLinking: true, docExpansion: 'list', defaultModelsExpandDepth: 0, tryItOutEnabled: true, persistAuthorization: false });
