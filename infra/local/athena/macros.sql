-- Trino's meaning, written in DuckDB SQL. translate.py calls these; nothing else does.
-- An overloaded macro cannot be called from an untyped one (DuckDB binds a body when it is made), so what must
-- first look at a type and then choose is put together in functions.py.
-- An error is raised by casting a text in guillemets to the wanted type: unlike error(), a failing cast may
-- stand inside TRY(), and errors.py finds the text between the guillemets.

-- Numbers ------------------------------------------------------------------------------------------------
CREATE MACRO trino_exact(x) AS typeof(x) LIKE 'DECIMAL%' OR typeof(x) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'INTEGER_LITERAL');
CREATE MACRO trino_nan(x) AS typeof(x) IN ('DOUBLE', 'FLOAT') AND isnan(TRY_CAST(x AS DOUBLE));
-- DuckDB would compare a text with a number by casting the text.
CREATE MACRO trino_same(a, b) AS CASE
    WHEN (typeof(a) = 'VARCHAR') <> (typeof(b) = 'VARCHAR') AND typeof(a) <> '"NULL"' AND typeof(b) <> '"NULL"'
    THEN CAST('«TYPE_MISMATCH: Cannot apply operator: ' || typeof(a) || ' with ' || typeof(b) || '»' AS BOOLEAN)
    ELSE true END;
-- The same beside a literal, which is a text or is none.
CREATE MACRO trino_text(x) AS CASE WHEN typeof(x) NOT IN ('VARCHAR', '"NULL"')
    THEN CAST('«TYPE_MISMATCH: Cannot apply operator: ' || typeof(x) || ' with VARCHAR»' AS BOOLEAN) ELSE true END;
CREATE MACRO trino_no_text(x) AS CASE WHEN typeof(x) = 'VARCHAR'
    THEN CAST('«TYPE_MISMATCH: Cannot apply operator: VARCHAR with what is no text»' AS BOOLEAN) ELSE true END;
CREATE MACRO trino_number(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN NOT isnan(TRY_CAST(x AS DOUBLE)) ELSE trino_no_text(x) END;
CREATE MACRO trino_by_zero() AS CAST('«DIVISION_BY_ZERO: Division by zero»' AS INTEGER);
CREATE MACRO trino_typed_div
    (a INTEGER, b INTEGER) AS CASE WHEN b = 0 THEN trino_by_zero() ELSE a // b END,
    (a BIGINT, b BIGINT) AS CASE WHEN b = 0 THEN trino_by_zero() ELSE a // b END,
    (a HUGEINT, b HUGEINT) AS CASE WHEN b = 0 THEN trino_by_zero() ELSE a // b END,
    (a DOUBLE, b DOUBLE) AS a / b;
CREATE MACRO trino_typed_mod
    (a INTEGER, b INTEGER) AS CASE WHEN b = 0 THEN trino_by_zero() ELSE a % b END,
    (a BIGINT, b BIGINT) AS CASE WHEN b = 0 THEN trino_by_zero() ELSE a % b END,
    (a HUGEINT, b HUGEINT) AS CASE WHEN b = 0 THEN trino_by_zero() ELSE a % b END,
    (a DOUBLE, b DOUBLE) AS a % b;
-- The scale of a decimal quotient differs between the two engines, and so does avg() of decimals.
CREATE MACRO trino_two_decimals(a, b) AS (typeof(a) LIKE 'DECIMAL%' AND trino_exact(b)) OR (typeof(b) LIKE 'DECIMAL%' AND trino_exact(a));
CREATE MACRO trino_avg_argument(x) AS CASE WHEN typeof(x) LIKE 'DECIMAL%'
    THEN CAST('«NOT_SUPPORTED: the embedded Athena has no avg of decimals; cast to double»' AS DOUBLE)
    ELSE CAST(x AS DOUBLE) END;
CREATE MACRO trino_floor(x BIGINT) AS x, (x DOUBLE) AS floor(x);
CREATE MACRO trino_ceil(x BIGINT) AS x, (x DOUBLE) AS ceil(x);
CREATE MACRO trino_sign(x BIGINT) AS CAST(sign(x) AS BIGINT), (x DOUBLE) AS CAST(sign(x) AS DOUBLE);
CREATE MACRO trino_sqrt(x DOUBLE) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt(x) END;
CREATE MACRO trino_ln(x DOUBLE) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) WHEN x = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE ln(x) END;
CREATE MACRO trino_log10(x DOUBLE) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) WHEN x = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE log10(x) END;
CREATE MACRO trino_from_base16(s VARCHAR) AS CASE
    WHEN s IS NULL THEN NULL
    WHEN regexp_full_match(s, '[0-9a-fA-F]{1,15}') THEN CAST('0x' || s AS BIGINT)
    ELSE CAST('«INVALID_FUNCTION_ARGUMENT: Not a valid base-16 number: ' || s || '»' AS BIGINT) END;

-- Texts --------------------------------------------------------------------------------------------------
CREATE MACRO trino_substr
    (s VARCHAR, start BIGINT) AS CASE
        WHEN s IS NULL OR start IS NULL THEN NULL
        WHEN start = 0 OR -start > length(s) THEN '' ELSE substr(s, start) END,
    (s VARCHAR, start BIGINT, size BIGINT) AS CASE
        WHEN s IS NULL OR start IS NULL OR size IS NULL THEN NULL
        WHEN start = 0 OR size <= 0 OR -start > length(s) THEN '' ELSE substr(s, start, size) END;
CREATE MACRO trino_trim(s VARCHAR) AS trim(s, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(8195) || chr(8232) || chr(8233) || chr(12288));
CREATE MACRO trino_ltrim(s VARCHAR) AS ltrim(s, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(8195) || chr(8232) || chr(8233) || chr(12288));
CREATE MACRO trino_rtrim(s VARCHAR) AS rtrim(s, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(8195) || chr(8232) || chr(8233) || chr(12288));
CREATE MACRO trino_length(s VARCHAR) AS length(s);
CREATE MACRO trino_lower(s VARCHAR) AS lower(s);
-- One code point to one, as Java's Character has it: DuckDB would make a capital of ß (the only one that differs).
CREATE MACRO trino_upper(s VARCHAR) AS replace(upper(replace(s, 'ß', chr(57344))), chr(57344), 'ß');
CREATE MACRO trino_split_part(s VARCHAR, delimiter VARCHAR, n BIGINT) AS CASE
    WHEN n < 1 THEN CAST('«INVALID_FUNCTION_ARGUMENT: Index must be greater than zero»' AS INTEGER)::VARCHAR
    ELSE string_split(s, delimiter)[n] END;
CREATE MACRO trino_regexp_extract
    (s VARCHAR, pattern) AS CASE WHEN regexp_matches(s, pattern) THEN regexp_extract(s, pattern) END,
    (s VARCHAR, pattern, n) AS CASE WHEN regexp_matches(s, pattern) THEN regexp_extract(s, pattern, n) END;

-- Casts: each gives NULL for what Trino refuses; functions.py makes the raising kind of it --------------------
-- Java writes a double with an exponent from 1E7 up and below 1E-3.
CREATE MACRO trino_java_digits(t) AS ltrim(replace(split_part(t, 'e', 1), '.', ''), '0');
CREATE MACRO trino_java_exponent(t) AS
    CASE WHEN contains(t, 'e') THEN CAST(split_part(t, 'e', 2) AS INTEGER) ELSE 0 END
    + length(split_part(split_part(t, 'e', 1), '.', 1)) - 1
    - (length(replace(split_part(t, 'e', 1), '.', '')) - length(trino_java_digits(t)));
CREATE MACRO trino_java_scientific(t) AS
    left(trino_java_digits(t), 1) || '.'
    || CASE WHEN rtrim(substr(trino_java_digits(t), 2), '0') = '' THEN '0' ELSE rtrim(substr(trino_java_digits(t), 2), '0') END
    || 'E' || trino_java_exponent(t);
CREATE MACRO trino_java_double(x) AS CASE
    WHEN x IS NULL THEN NULL
    WHEN isnan(x) THEN 'NaN'
    WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
    WHEN x = 0 OR (abs(x) >= 0.001 AND abs(x) < 10000000) THEN CAST(x AS VARCHAR)
    ELSE CASE WHEN x < 0 THEN '-' ELSE '' END || trino_java_scientific(CAST(abs(x) AS VARCHAR)) END;
CREATE MACRO trino_typed_varchar
    (x VARCHAR) AS x,
    (x BIGINT) AS CAST(x AS VARCHAR),
    (x HUGEINT) AS CAST(x AS VARCHAR),
    (x DOUBLE) AS trino_java_double(x),
    (x FLOAT) AS trino_java_double(x),
    (x BOOLEAN) AS CAST(x AS VARCHAR),
    (x DATE) AS CAST(x AS VARCHAR),
    (x TIMESTAMP) AS strftime(x, '%Y-%m-%d %H:%M:%S.%g'),
    (x TIMESTAMPTZ) AS strftime(timezone('UTC', x), '%Y-%m-%d %H:%M:%S.%g UTC');
CREATE MACRO trino_number_text(s) AS regexp_full_match(s, '[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?');
CREATE MACRO trino_try_double
    (x VARCHAR) AS CASE
        WHEN trino_number_text(regexp_replace(trino_trim(x), '[dDfF]$', '')) THEN TRY_CAST(regexp_replace(trino_trim(x), '[dDfF]$', '') AS DOUBLE)
        WHEN regexp_full_match(trino_trim(x), '[+-]?(NaN|Infinity)') THEN TRY_CAST(trino_trim(x) AS DOUBLE) END,
    (x BOOLEAN) AS CAST(x AS DOUBLE),
    (x DOUBLE) AS x;
CREATE MACRO trino_try_bigint
    (x VARCHAR) AS CASE WHEN regexp_full_match(x, '[+-]?[0-9]+') THEN TRY_CAST(x AS BIGINT) END,
    (x BOOLEAN) AS CAST(x AS BIGINT),
    (x BIGINT) AS x,
    (x HUGEINT) AS TRY_CAST(x AS BIGINT),
    (x DOUBLE) AS TRY_CAST(round(x) AS BIGINT);
CREATE MACRO trino_try_boolean
    (x VARCHAR) AS CASE WHEN lower(x) IN ('t', 'true', '1') THEN true WHEN lower(x) IN ('f', 'false', '0') THEN false END,
    (x BOOLEAN) AS x,
    (x BIGINT) AS x <> 0,
    (x DOUBLE) AS x <> 0;
CREATE MACRO trino_try_date
    (x VARCHAR) AS CASE WHEN regexp_full_match(trino_trim(x), '[+-]?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}') THEN TRY_CAST(trino_trim(x) AS DATE) END,
    (x DATE) AS x,
    (x TIMESTAMP) AS CAST(x AS DATE),
    (x TIMESTAMPTZ) AS CAST(timezone('UTC', x) AS DATE);
CREATE MACRO trino_try_timestamp
    (x VARCHAR) AS CASE WHEN regexp_full_match(trino_trim(x), '[+-]?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}( [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]+)?)?)?') THEN date_trunc('millisecond', TRY_CAST(
        CASE WHEN regexp_full_match(trino_trim(x), '[^:]+:[^:]+') THEN trino_trim(x) || ':00' ELSE trino_trim(x) END AS TIMESTAMP)) END,
    (x DATE) AS CAST(x AS TIMESTAMP),
    (x TIMESTAMP) AS x,
    (x TIMESTAMPTZ) AS timezone('UTC', x);
CREATE MACRO trino_refused(x, kind) AS '«INVALID_CAST_ARGUMENT: Cannot cast ''' || CAST(x AS VARCHAR) || ''' to ' || kind || '»';
CREATE MACRO trino_decimal_source(x) AS CASE WHEN typeof(x) = 'VARCHAR' AND NOT trino_number_text(trino_trim(CAST(x AS VARCHAR))) THEN NULL ELSE x END;

-- Time -------------------------------------------------------------------------------------------------------
CREATE MACRO trino_add_interval
    (x DATE, i INTERVAL) AS CAST(x + i AS DATE), (x TIMESTAMP, i INTERVAL) AS x + i, (x TIMESTAMPTZ, i INTERVAL) AS x + i;
CREATE MACRO trino_date_trunc
    (unit, x DATE) AS CAST(date_trunc(unit, x) AS DATE), (unit, x TIMESTAMP) AS date_trunc(unit, x), (unit, x TIMESTAMPTZ) AS date_trunc(unit, x);
CREATE MACRO trino_date_diff
    (unit, a TIMESTAMP, b TIMESTAMP) AS date_sub(unit, a, b), (unit, a TIMESTAMPTZ, b TIMESTAMPTZ) AS date_sub(unit, a, b);
CREATE MACRO trino_to_unixtime(x TIMESTAMP) AS epoch(x), (x TIMESTAMPTZ) AS epoch(x);
CREATE MACRO trino_from_unixtime(x DOUBLE) AS make_timestamptz(CAST(round(x * 1000) AS BIGINT) * 1000);
CREATE MACRO trino_instant(x TIMESTAMP) AS timezone('UTC', x), (x TIMESTAMPTZ) AS x;
CREATE MACRO trino_part(unit, x TIMESTAMP) AS date_part(unit, x), (unit, x TIMESTAMPTZ) AS date_part(unit, timezone('UTC', x));

-- Arrays -----------------------------------------------------------------------------------------------------
CREATE MACRO trino_has_null(a) AS len(a) <> list_count(a);
CREATE MACRO trino_contains(a, x) AS CASE
    WHEN a IS NULL OR x IS NULL THEN NULL
    WHEN list_contains(a, x) THEN true
    WHEN trino_has_null(a) THEN NULL ELSE false END;
-- The second argument is the array of what the lambda said of each element.
CREATE MACRO trino_any_match(said) AS CASE
    WHEN said IS NULL THEN NULL WHEN list_contains(said, true) THEN true WHEN trino_has_null(said) THEN NULL ELSE false END;
CREATE MACRO trino_all_match(said) AS CASE
    WHEN said IS NULL THEN NULL WHEN list_contains(said, false) THEN false WHEN trino_has_null(said) THEN NULL ELSE true END;
CREATE MACRO trino_none_match(said) AS NOT trino_any_match(said);
CREATE MACRO trino_subscript(a, i) AS a[CASE
    WHEN i = 0 THEN CAST('«INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1»' AS BIGINT)
    WHEN i < 0 THEN CAST('«INVALID_FUNCTION_ARGUMENT: Array subscript is negative: ' || i || '»' AS BIGINT)
    WHEN i > len(a) THEN CAST('«INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length: ' || i || ' > ' || len(a) || '»' AS BIGINT)
    ELSE i END];
-- Of a map, NULL for a key that is not there.
CREATE MACRO trino_element_at
    (m MAP(VARCHAR, VARCHAR), k VARCHAR) AS m[k],
    (a, i) AS a[CASE WHEN i = 0 THEN CAST('«INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1»' AS BIGINT) ELSE i END];
CREATE MACRO trino_array_sort(a) AS list_sort(a, 'ASC', 'NULLS LAST');
CREATE MACRO trino_array_distinct(a) AS list_filter(a, lambda x, i: list_position(a, x) = i);
CREATE MACRO trino_array_except(a, b) AS CASE WHEN b IS NULL THEN NULL
    ELSE list_filter(trino_array_distinct(a), lambda x: list_position(b, x) IS NULL) END;
CREATE MACRO trino_array_intersect(a, b) AS CASE WHEN b IS NULL THEN NULL
    ELSE list_filter(trino_array_distinct(a), lambda x: list_position(b, x) IS NOT NULL) END;
CREATE MACRO trino_array_union(a, b) AS trino_array_distinct(a || b);
CREATE MACRO trino_arrays_overlap(a, b) AS CASE
    WHEN a IS NULL OR b IS NULL THEN NULL
    WHEN len(list_filter(a, lambda x: x IS NOT NULL AND list_contains(b, x))) > 0 THEN true
    WHEN len(a) > 0 AND len(b) > 0 AND (trino_has_null(a) OR trino_has_null(b)) THEN NULL ELSE false END;
CREATE MACRO trino_array_max(a) AS CASE WHEN trino_has_null(a) THEN NULL ELSE list_max(a) END;
CREATE MACRO trino_array_min(a) AS CASE WHEN trino_has_null(a) THEN NULL ELSE list_min(a) END;
CREATE MACRO trino_array_position(a, x) AS CASE WHEN a IS NULL OR x IS NULL THEN NULL ELSE coalesce(list_position(a, x), 0) END;

-- Bytes ------------------------------------------------------------------------------------------------------
CREATE MACRO trino_sha256(b BLOB) AS unhex(sha256(b));
CREATE MACRO trino_md5(b BLOB) AS unhex(md5(b));
CREATE MACRO trino_to_hex(b BLOB) AS hex(b);
CREATE MACRO trino_to_utf8(s VARCHAR) AS encode(s);
CREATE MACRO trino_from_utf8(b BLOB) AS decode(b);
