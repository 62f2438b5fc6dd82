package shopify

// What becomes of a topic.
type treatment int

const (
	untracked  treatment = iota // quarantined: not about orders, so the subscription is a mistake
	understood                  // no event: says nothing that another topic does not say better
	placed                      // the whole order, as it was placed
	changed                     // the whole order, as it stands
	cancelled                   // the whole order, withdrawn
	refunded                    // a refund
)

// topic says what becomes of a topic, and why where nothing does.
type topic struct {
	treatment treatment
	why       string
}

const (
	whyWholeOrder  = "orders/updated carries the whole order after it"
	whyFulfilment  = "a channel is no source of shipments: it is told of them, and this is the echo"
	whyFulfilOrder = "how the shop plans its own fulfilment does not bind the warehouse"
	whyMoney       = "payments stay in the shop until they are captured through Waybill"
	whyReturn      = "returns are taken from refunds/create, which says what comes back"
	whyDeleted     = "only cancelled, closed or test orders can be deleted; the books keep them"
)

// topics lists every topic that has to do with orders. A topic that is not
// here is untracked: it is kept and shown with its reason, because somebody
// subscribed to it for nothing.
var topics = map[string]topic{
	"orders/create":    {treatment: placed},
	"orders/updated":   {treatment: changed},
	"orders/cancelled": {treatment: cancelled},
	"refunds/create":   {treatment: refunded},

	// An edit's body lists differences of lines only.
	"orders/edited":              {understood, whyWholeOrder},
	"orders/paid":                {understood, whyWholeOrder},
	"orders/fulfilled":           {understood, whyWholeOrder},
	"orders/partially_fulfilled": {understood, whyWholeOrder},
	"orders/delete":              {understood, whyDeleted},
	"orders/link_requested":      {understood, "the shop tells a marketplace; the order is as it was"},

	"orders/risk_assessment_changed":             {understood, "a hold for risk is the shop's; it cancels the order if it comes to that"},
	"orders/shopify_protect_eligibility_changed": {understood, "the shop's insurance against chargebacks"},

	"fulfillments/create":       {understood, whyFulfilment},
	"fulfillments/update":       {understood, whyFulfilment},
	"fulfillment_events/create": {understood, whyFulfilment},
	"fulfillment_events/delete": {understood, whyFulfilment},

	"fulfillment_holds/added":    {understood, whyFulfilOrder},
	"fulfillment_holds/released": {understood, whyFulfilOrder},

	"fulfillment_orders/cancellation_request_accepted":          {understood, whyFulfilOrder},
	"fulfillment_orders/cancellation_request_rejected":          {understood, whyFulfilOrder},
	"fulfillment_orders/cancellation_request_submitted":         {understood, whyFulfilOrder},
	"fulfillment_orders/cancelled":                              {understood, whyFulfilOrder},
	"fulfillment_orders/fulfillment_request_accepted":           {understood, whyFulfilOrder},
	"fulfillment_orders/fulfillment_request_rejected":           {understood, whyFulfilOrder},
	"fulfillment_orders/fulfillment_request_submitted":          {understood, whyFulfilOrder},
	"fulfillment_orders/fulfillment_service_failed_to_complete": {understood, whyFulfilOrder},
	"fulfillment_orders/hold_released":                          {understood, whyFulfilOrder},
	"fulfillment_orders/line_items_prepared_for_local_delivery": {understood, whyFulfilOrder},
	"fulfillment_orders/line_items_prepared_for_pickup":         {understood, whyFulfilOrder},
	"fulfillment_orders/manually_reported_progress_stopped":     {understood, whyFulfilOrder},
	"fulfillment_orders/merged":                                 {understood, whyFulfilOrder},
	"fulfillment_orders/moved":                                  {understood, whyFulfilOrder},
	"fulfillment_orders/order_routing_complete":                 {understood, whyFulfilOrder},
	"fulfillment_orders/placed_on_hold":                         {understood, whyFulfilOrder},
	"fulfillment_orders/progress_reported":                      {understood, whyFulfilOrder},
	"fulfillment_orders/rescheduled":                            {understood, whyFulfilOrder},
	"fulfillment_orders/scheduled_fulfillment_order_ready":      {understood, whyFulfilOrder},
	"fulfillment_orders/split":                                  {understood, whyFulfilOrder},

	"order_transactions/create": {understood, whyMoney},
	"payment_terms/create":      {understood, whyWholeOrder},
	"payment_terms/update":      {understood, whyWholeOrder},
	"payment_terms/delete":      {understood, whyWholeOrder},

	"returns/approve": {understood, whyReturn},
	"returns/cancel":  {understood, whyReturn},
	"returns/close":   {understood, whyReturn},
	"returns/decline": {understood, whyReturn},
	"returns/process": {understood, whyReturn},
	"returns/reopen":  {understood, whyReturn},
	"returns/request": {understood, whyReturn},
	"returns/update":  {understood, whyReturn},

	"reverse_deliveries/attach_deliverable": {understood, whyReturn},
	"reverse_fulfillment_orders/dispose":    {understood, whyReturn},
}
