{{/* What all objects are named after. */}}
{{- define "hmisr.name" -}}
{{- if contains "hmisr" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-hmisr" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "hmisr.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Labels that select a part's pods; takes (list . "part"). */}}
{{- define "hmisr.selector" -}}
app.kubernetes.io/name: hmisr
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "hmisr.labels" -}}
{{ include "hmisr.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{- define "hmisr.scheme" -}}
{{ ternary "https" "http" (ne .Values.http.tlsSecret "") }}
{{- end }}

{{- define "hmisr.claim" -}}
{{ .Values.snapshots.existingClaim | default (printf "%s-snapshots" (include "hmisr.name" .)) }}
{{- end }}

{{/* What every pod has, beside its containers and volumes; takes (list . part-values). */}}
{{- define "hmisr.pod" -}}
{{- $root := index . 0 }}{{ $part := index . 1 -}}
serviceAccountName: {{ include "hmisr.name" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $part.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "hmisr.container" -}}
image: {{ include "hmisr.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* TLS and SASL to Kafka. */}}
{{- define "hmisr.kafka.env" -}}
{{- with .Values.kafka.clientSecret }}
{{- if .name }}
- name: HMISR__KAFKA__CLIENT
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* Where the secrets of HTTP are, for a server and for what asks it. */}}
{{- define "hmisr.http.env" -}}
{{- if .Values.http.tokenSecret.name }}
- {name: HMISR__SERVING__BEARER_TOKEN_FILE, value: /etc/hmisr/http/token}
- {name: HMISR__SERVING__LOOKUP_TOKEN_FILE, value: /etc/hmisr/http/token}
- name: HMISR__SERVING__LOOKUP_HOSTS
  value: '[".{{ include "hmisr.name" . }}-pipeline-pods.{{ .Release.Namespace }}.svc"]'
{{- end }}
{{- if .Values.http.tlsSecret }}
- {name: HMISR__SERVING__TLS_CERTIFICATE, value: /etc/hmisr/http/tls.crt}
- {name: HMISR__SERVING__TLS_KEY, value: /etc/hmisr/http/tls.key}
- {name: HMISR__SERVING__LOOKUP_CA, value: /etc/hmisr/http/ca.crt}
{{- end }}
{{- end }}

{{- define "hmisr.mounts" -}}
- {name: settings, mountPath: /etc/hmisr/hmisr.toml, subPath: hmisr.toml, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if or .Values.http.tokenSecret.name .Values.http.tlsSecret }}
- {name: http, mountPath: /etc/hmisr/http, readOnly: true}
{{- end }}
{{- end }}

{{- define "hmisr.volumes" -}}
- name: settings
  configMap: {name: {{ include "hmisr.name" . }}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- if or .Values.http.tokenSecret.name .Values.http.tlsSecret }}
- name: http
  projected:
    # 0440: the group reads, which is fsGroup.
    defaultMode: 288
    sources:
      {{- with .Values.http.tokenSecret }}
      {{- if .name }}
      - secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: token}]}
      {{- end }}
      {{- end }}
      {{- with .Values.http.tlsSecret }}
      - secret: {name: {{ . }}}
      {{- end }}
{{- end }}
{{- end }}

{{/* Alive: it answers. Ready: it can do its work; with a token that needs it. Takes (list . port). */}}
{{- define "hmisr.probes" -}}
{{- $root := index . 0 }}{{ $port := index . 1 -}}
livenessProbe:
  httpGet: {path: /healthz, port: http, scheme: {{ include "hmisr.scheme" $root | upper }}}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
readinessProbe:
  periodSeconds: 5
  timeoutSeconds: 3
  {{- if $root.Values.http.tokenSecret.name }}
  exec:
    command:
      - sh
      - -c
      - >-
        curl --fail --silent --insecure --max-time 2 --header "Authorization: Bearer $(cat /etc/hmisr/http/token)"
        {{ include "hmisr.scheme" $root }}://127.0.0.1:{{ $port }}/readyz
  {{- else }}
  httpGet: {path: /readyz, port: http, scheme: {{ include "hmisr.scheme" $root | upper }}}
  {{- end }}
{{- end }}
