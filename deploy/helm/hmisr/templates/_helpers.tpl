{{- define "hmisr.name" -}}
{{- if contains "hmisr" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-hmisr" (.Release.Name | trunc 34 | trimSuffix "-") }}{{ end }}
{{- end }}

{{/* Labels by which a part is found; with (list $ "pipeline"). */}}
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

{{- define "hmisr.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "hmisr.scheme" -}}
{{ if .Values.http.tlsSecret }}https{{ else }}http{{ end }}
{{- end }}

{{/* Domain of the instances of the job: NAME-pipeline-0 and so on stand before it. */}}
{{- define "hmisr.pipelines" -}}
{{ include "hmisr.name" . }}-pipeline.{{ .Release.Namespace }}.svc
{{- end }}

{{/* What is alike in every pod; with (list $ "pipeline"). */}}
{{- define "hmisr.pod" -}}
{{- $ := index . 0 -}}
serviceAccountName: {{ include "hmisr.name" $ }}
{{ include "hmisr.confined" $ }}
{{- with index $.Values (index . 1) }}
terminationGracePeriodSeconds: {{ .gracePeriodSeconds }}
{{- with .scheduling.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .scheduling.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .scheduling.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hmisr.confined" -}}
automountServiceAccountToken: false
# Kubernetes' variables of the services of a namespace are of no use here.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What is alike in every container. */}}
{{- define "hmisr.container" -}}
image: {{ include "hmisr.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* How Kafka is reached, for every part. */}}
{{- define "hmisr.kafka" -}}
- name: HMISR__KAFKA__BROKERS
  value: {{ required "kafka.brokers must be given: host:port[,…]" .Values.kafka.brokers | quote }}
{{- with .Values.kafka.clientSecret }}
{{- if .name }}
- name: HMISR__KAFKA__CLIENT
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* TLS, token and names of the part's server, and of the look-ups of servers. */}}
{{- define "hmisr.http" -}}
{{- if or .Values.http.allowedHosts (not .Values.http.tokenSecret.name) }}
{{- $hosts := .Values.http.allowedHosts }}
{{- range $part := list "pipeline" "train" "serve" }}
{{- $service := printf "%s-%s" (include "hmisr.name" $) $part }}
{{- $hosts = concat $hosts (list $service (printf "%s.%s" $service $.Release.Namespace) (printf "%s.%s.svc" $service $.Release.Namespace)) }}
{{- end }}
{{- $hosts = concat $hosts (list (printf ".%s" (include "hmisr.pipelines" .)) (printf ".%s.svc.cluster.local" .Release.Namespace)) }}
- name: HMISR__SERVING__ALLOWED_HOSTS
  value: {{ $hosts | toJson | quote }}
{{- end }}
{{- if .Values.http.tlsSecret }}
- {name: HMISR__SERVING__TLS_CERTIFICATE, value: /run/secrets/hmisr/tls/tls.crt}
- {name: HMISR__SERVING__TLS_KEY, value: /run/secrets/hmisr/tls/tls.key}
- {name: HMISR__SERVING__LOOKUP_CA, value: /run/secrets/hmisr/tls/ca.crt}
{{- end }}
{{- if .Values.http.tokenSecret.name }}
- {name: HMISR__SERVING__BEARER_TOKEN_FILE, value: /run/secrets/hmisr/token/token}
- {name: HMISR__SERVING__LOOKUP_TOKEN_FILE, value: /run/secrets/hmisr/token/token}
- name: HMISR__SERVING__LOOKUP_HOSTS
  value: {{ list (printf ".%s" (include "hmisr.pipelines" .)) | toJson | quote }}
{{- end }}
{{- end }}

{{- define "hmisr.mounts" -}}
- {name: settings, mountPath: /etc/hmisr, readOnly: true}
{{- if .Values.kafka.filesSecret }}
- {name: kafka, mountPath: /run/secrets/hmisr/kafka, readOnly: true}
{{- end }}
{{- if .Values.http.tlsSecret }}
- {name: tls, mountPath: /run/secrets/hmisr/tls, readOnly: true}
{{- end }}
{{- if .Values.http.tokenSecret.name }}
- {name: token, mountPath: /run/secrets/hmisr/token, readOnly: true}
{{- end }}
{{- end }}

{{/* Secrets are read by the group alone: 288 is 0440, which YAML 1.2 takes for a text. */}}
{{- define "hmisr.volumes" -}}
- name: settings
  configMap: {name: {{ include "hmisr.name" . }}}
{{- with .Values.kafka.filesSecret }}
- name: kafka
  secret: {secretName: {{ . }}, defaultMode: 288}
{{- end }}
{{- with .Values.http.tlsSecret }}
- name: tls
  secret: {secretName: {{ . }}, defaultMode: 288}
{{- end }}
{{- with .Values.http.tokenSecret }}
{{- if .name }}
- name: token
  secret: {secretName: {{ .name }}, defaultMode: 288, items: [{key: {{ .key }}, path: token}]}
{{- end }}
{{- end }}
{{- end }}

{{/* Liveness and readiness of a part; with (list $ 8081). /readyz asks for the token, which a manifest must not
hold, so with one the program asks itself. */}}
{{- define "hmisr.probes" -}}
{{- $ := index . 0 -}}
livenessProbe:
  httpGet: {path: /healthz, port: http, scheme: {{ include "hmisr.scheme" $ | upper }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  {{- if $.Values.http.tokenSecret.name }}
  exec: {command: [hmisr, probe, --port, {{ index . 1 | quote }}, /readyz]}
  {{- else }}
  httpGet: {path: /readyz, port: http, scheme: {{ include "hmisr.scheme" $ | upper }}}
  {{- end }}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{/* Over hosts where that is possible; with (list $ "pipeline"). */}}
{{- define "hmisr.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app.kubernetes.io/instance: {{ (index . 0).Release.Name }}, app.kubernetes.io/component: {{ index . 1 }}}}
{{- end }}

{{/* A change of the settings starts the pods anew. */}}
{{- define "hmisr.checksum" -}}
checksum/settings: {{ .Values.settings | sha256sum }}
{{- end }}

{{- define "hmisr.claim" -}}
{{ .Values.snapshots.existingClaim | default (printf "%s-snapshots" (include "hmisr.name" .)) }}
{{- end }}
