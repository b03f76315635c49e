"""House rules for the template, run by cfn-lint: `cfn-lint --append-rules infra/lint -- template.yaml`.

cfn-lint shows rules the SAM source with Globals merged in, not the transformed template: a rule on a
transformed type (AWS::Lambda::Function) would match nothing and pass for ever. So these rules read
AWS::Serverless::* types, and each has a template in tests/template/bad/ that must fail with it.
"""
