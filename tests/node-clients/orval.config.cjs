module.exports = {
  service: {
    input: './openapi.json',
    output: { target: './orval.ts', client: 'fetch', mode: 'single', baseUrl: process.env.KEY_SERVICE },
  },
}
