// Reads a JSON list of queries from standard input, writes a JSON list of their syntax errors (null: none).
import { readFileSync } from 'node:fs';
import { TrinoSQL } from 'dt-sql-parser';

const parser = new TrinoSQL();
const errors = JSON.parse(readFileSync(0, 'utf8')).map((query) => {
  const found = parser.validate(query);
  return found.length ? `line ${found[0].startLine}, column ${found[0].startColumn}: ${found[0].message}` : null;
});
process.stdout.write(JSON.stringify(errors));
